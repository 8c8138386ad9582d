/* SPDX-License-Identifier: Apache-2.0
 *
 * rt_switch.S: void rt_switch(void **save_sp, void *to_sp)
 *
 * Leaves the callee-saved registers on the stack that runs, its stack pointer in *save_sp, and goes on where
 * to_sp was saved, or at rt_switch_entry on a stack made by rt_context_make() (rt_coro_stack.c, which knows this
 * layout). The floating point control words are not saved: nobody in this program changes them.
 */
#if defined(__x86_64__)
    .text
    .globl rt_switch
    .type rt_switch, @function
    .p2align 4
rt_switch:
    .cfi_startproc
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .cfi_def_cfa_offset 56
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size rt_switch, . - rt_switch

    .globl rt_switch_entry
    .type rt_switch_entry, @function
rt_switch_entry:
    .cfi_startproc
    .cfi_undefined rip          /* the end of every back-trace */
    xorl %ebp, %ebp
    call rt_task_main
    ud2
    .cfi_endproc
    .size rt_switch_entry, . - rt_switch_entry

#elif defined(__aarch64__)
    .text
    .globl rt_switch
    .type rt_switch, %function
    .p2align 4
rt_switch:
    .cfi_startproc
    sub sp, sp, #160
    .cfi_def_cfa_offset 160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size rt_switch, . - rt_switch

    .globl rt_switch_entry
    .type rt_switch_entry, %function
rt_switch_entry:
    .cfi_startproc
    .cfi_undefined x30          /* the end of every back-trace */
    bl rt_task_main
    brk #1
    .cfi_endproc
    .size rt_switch_entry, . - rt_switch_entry
#endif

#if defined(__linux__) && defined(__ELF__)
    .section .note.GNU-stack, "", %progbits
#endif
