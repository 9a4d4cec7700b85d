// Calls of Linux that the C library only declares for programs that define _GNU_SOURCE, which a module cannot.
#ifdef __linux__
int syncfs(int descriptor);                                              // syncfs(2)
int fallocate(int descriptor, int mode, long long offset, long long length);  // fallocate(2), 64-bit off_t
#endif
