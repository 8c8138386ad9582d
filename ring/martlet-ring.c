/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ring/ring_commands.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("martlet-ring %s\n", MARTLET_VERSION);
        return 0;
    }
    return ring_commands_main(argc, argv, stdin, stdout, stderr);
}
