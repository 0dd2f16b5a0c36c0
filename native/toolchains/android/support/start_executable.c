// What every executable begins with: the kernel's block of arguments goes to Android's C library, which calls main.
typedef struct {
  void (**preinit_array)(void);
  void (**init_array)(void);
  void (**fini_array)(void);
  unsigned long counts[3];  // read in static executables alone
} structors;

extern void __libc_init(void* arguments, void (*unused)(void), int (*main)(int, char**, char**),
                        const structors* arrays) __attribute__((noreturn));
extern int main(int argc, char** argv, char** environment);

__attribute__((visibility("hidden"))) void* __dso_handle = &__dso_handle;

// The loader runs the constructors. Destructors at exit are left out: the arrays may be null in every version.
__attribute__((used, noreturn)) static void start(void* arguments) {
  static const structors none;
  __libc_init(arguments, 0, main, &none);
}

__asm__(
    ".globl _start\n"
    ".hidden _start\n"
    ".type _start, %function\n"
    "_start:\n"
#if defined(__aarch64__)
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  mov x0, sp\n"
    "  b start\n"
#else
    "  xorl %ebp, %ebp\n"
    "  movq %rsp, %rdi\n"
    "  andq $-16, %rsp\n"
    "  callq start\n"
#endif
    ".section .note.android.ident, \"a\", %note\n"
    ".balign 4\n"
    ".long 8, 4, 1\n"
    ".asciz \"Android\"\n"
    ".long 21\n"
    ".text\n");
