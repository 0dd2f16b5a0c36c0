// What every shared library begins with: its static destructors run at dlclose, and its file says that it is Android's.
extern void __cxa_finalize(void* dso);
__attribute__((visibility("hidden"))) void* __dso_handle = &__dso_handle;

__attribute__((destructor)) static void run_static_destructors(void) { __cxa_finalize(&__dso_handle); }

// type 1 (ABI) of owner "Android": the API level that the file is built for
__asm__(
    ".section .note.android.ident, \"a\", %note\n"
    ".balign 4\n"
    ".long 8, 4, 1\n"
    ".asciz \"Android\"\n"
    ".long 21\n"
    ".text\n");
