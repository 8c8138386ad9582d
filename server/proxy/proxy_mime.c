/* SPDX-License-Identifier: Apache-2.0
 *
 * proxy_mime.c: works as Python's mimetypes.guess_type(): extensions that stand for two (".tgz") are written out,
 * those of compression are dropped, the one before counts.
 */
#include "proxy/proxy_mime.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/file.h"
#include "common/hash.h"

#define FILE_MAX (4 * 1024 * 1024)

struct proxy_mime {
    struct hash *types; /* "txt" -> "text/plain" */
};

static const char builtin[] =
    "application/epub+zip epub\napplication/gzip gz\napplication/java-archive jar\n"
    "application/javascript js mjs\napplication/json json\napplication/manifest+json webmanifest\n"
    "application/msword doc dot wiz\napplication/octet-stream bin a dll exe o obj so\napplication/oda oda\n"
    "application/ogg ogx\napplication/pdf pdf\napplication/pkcs7-mime p7c\napplication/postscript ai eps ps\n"
    "application/rtf rtf\napplication/vnd.apple.mpegurl m3u m3u8\n"
    "application/vnd.ms-excel xls xlb\napplication/vnd.ms-powerpoint ppt pot ppa pps pwz\n"
    "application/vnd.oasis.opendocument.presentation odp\napplication/vnd.oasis.opendocument.spreadsheet "
    "ods\n"
    "application/vnd.oasis.opendocument.text odt\n"
    "application/vnd.openxmlformats-officedocument.presentationml.presentation pptx\n"
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx\n"
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document docx\n"
    "application/wasm wasm\napplication/x-7z-compressed 7z\napplication/x-bcpio bcpio\n"
    "application/x-cpio cpio\napplication/x-csh csh\napplication/x-debian-package deb\napplication/x-dvi "
    "dvi\n"
    "application/x-gtar gtar\napplication/x-hdf hdf\napplication/x-hdf5 h5\napplication/x-latex latex\n"
    "application/x-mif mif\napplication/x-netcdf cdf nc\napplication/x-pkcs12 p12 pfx\n"
    "application/x-pn-realaudio ram\napplication/x-python-code pyc pyo\napplication/x-rpm rpm\n"
    "application/x-sh sh\napplication/x-shar shar\napplication/x-shockwave-flash swf\n"
    "application/x-sv4cpio sv4cpio\napplication/x-sv4crc sv4crc\napplication/x-tar tar\napplication/x-tcl "
    "tcl\n"
    "application/x-tex tex\napplication/x-texinfo texi texinfo\napplication/x-troff roff t tr\n"
    "application/x-troff-man man\napplication/x-troff-me me\napplication/x-troff-ms ms\n"
    "application/x-ustar ustar\napplication/x-wais-source src\napplication/xml rdf wsdl xpdl xsl xml\n"
    "application/zip zip\naudio/3gpp 3gp 3gpp\naudio/aac adts loas ass\naudio/basic au snd\naudio/flac flac\n"
    "audio/mp4 m4a\naudio/mpeg mp3 mp2\naudio/ogg ogg oga\naudio/opus opus\naudio/x-aiff aif aifc aiff\n"
    "audio/x-pn-realaudio ra\naudio/x-wav wav\nfont/otf otf\nfont/ttf ttf\nfont/woff woff\nfont/woff2 woff2\n"
    "image/bmp bmp\nimage/gif gif\nimage/heic heic\nimage/heif heif\nimage/ief ief\nimage/jpeg jpg jpe jpeg\n"
    "image/png png\nimage/svg+xml svg\nimage/tiff tiff tif\nimage/vnd.microsoft.icon ico\nimage/webp webp\n"
    "image/x-cmu-raster ras\nimage/x-portable-anymap pnm\nimage/x-portable-bitmap pbm\n"
    "image/x-portable-graymap pgm\nimage/x-portable-pixmap ppm\nimage/x-rgb rgb\nimage/x-xbitmap xbm\n"
    "image/x-xpixmap xpm\nimage/x-xwindowdump xwd\nmessage/rfc822 eml mht mhtml nws\ntext/calendar ics\n"
    "text/css css\ntext/csv csv\ntext/html htm html\ntext/markdown md\ntext/n3 n3\n"
    "text/plain bat c h ksh pl txt log\ntext/richtext rtx\ntext/tab-separated-values tsv\ntext/x-python py\n"
    "text/x-setext etx\ntext/x-sgml sgm sgml\ntext/x-vcard vcf\nvideo/mp4 mp4\n"
    "video/mpeg m1v mpa mpe mpeg mpg\nvideo/ogg ogv\nvideo/quicktime mov qt\nvideo/webm webm\n"
    "video/x-matroska mkv\nvideo/x-msvideo avi\nvideo/x-sgi-movie movie\n";

static bool next_word(struct str *rest, struct str *ret)
{
    size_t i = 0;
    *rest = str_trim(*rest);
    while (i < rest->n && !isspace((unsigned char)rest->p[i]))
        i++;
    *ret = str_slice(*rest, 0, i);
    *rest = str_slice(*rest, i, rest->n);
    return i > 0 && ret->p[0] != '#';
}

/* Lines "type/subtype ext ext # comment". */
static void read_lines(struct proxy_mime *m, struct str text)
{
    struct str line, type, extension;
    while (str_next(&text, '\n', &line)) {
        if (!next_word(&line, &type))
            continue;
        while (next_word(&line, &extension))
            hash_put(m->types, extension, str_dup(type));
    }
}

static void read_file(struct proxy_mime *m, const char *path)
{
    struct buf text;
    buf_init(&text, FILE_MAX);
    if (file_read(path, &text) == 0)
        read_lines(m, buf_view(&text));
    buf_release(&text);
}

struct proxy_mime *proxy_mime_new(const char *swift_dir)
{
    struct proxy_mime *m = xcalloc(1, sizeof(*m));
    char *own = xasprintf("%s/mime.types", swift_dir);
    m->types = hash_new(free);
    read_lines(m, str_from(builtin));
    read_file(m, "/etc/mime.types");
    read_file(m, own);
    free(own);
    return m;
}

void proxy_mime_free(struct proxy_mime *m)
{
    if (!m)
        return;
    hash_free(m->types);
    free(m);
}

/* Cuts ".ext" off *name: the extension without its dot, STR_NONE if there is none. Dots at the start are no extension. */
static struct str cut_extension(struct str *name)
{
    size_t start = (size_t)(str_rfind(*name, '/') + 1);
    while (start < name->n && name->p[start] == '.')
        start++;
    ssize_t dot = str_rfind(*name, '.');
    if (dot < (ssize_t)start)
        return STR_NONE;
    struct str extension = str_slice(*name, (size_t)dot + 1, name->n);
    *name = str_slice(*name, 0, (size_t)dot);
    return extension;
}

static bool is_one_of(struct str s, const char *const *list)
{
    for (; *list; list++)
        if (str_eq(s, str_from(*list)))
            return true;
    return false;
}

struct str proxy_mime_guess(const struct proxy_mime *m, struct arena *arena, struct str path)
{
    static const char *const tarballs[] = {"tgz", "taz", "tz", "tbz2", "txz", NULL};
    static const char *const encodings[] = {"gz", "Z", "bz2", "xz", "br", NULL};
    struct str extension = cut_extension(&path);
    if (is_one_of(extension, tarballs))
        extension = STR("tar");
    else if (str_eq(extension, STR("svgz")))
        extension = STR("svg");
    else if (is_one_of(extension, encodings))
        extension = cut_extension(&path);
    if (!extension.n)
        return STR_NONE;
    const char *type = hash_get(m->types, extension);
    if (!type) {
        char *lower = arena_alloc(arena, extension.n);
        for (size_t i = 0; i < extension.n; i++)
            lower[i] = (char)tolower((unsigned char)extension.p[i]);
        type = hash_get(m->types, str_of(lower, extension.n));
    }
    return str_from(type);
}
