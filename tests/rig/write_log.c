/* Logs what a process does to the files of one folder, and what it sends, in the order in which it happens.
 *
 * Preloaded (LD_PRELOAD) into a process of a trial; tests/rig/power_loss.py makes crash states of the log.
 *   RIG_LOG_FOLDER  the folder, with a slash at its end
 *   RIG_LOG_FILE    where the log goes; several processes may share it
 *
 * A record is written by one write(2) on a file opened with O_APPEND:
 *   char op; uint8 length of name; name; uint64 begun; uint64 offset; uint32 length of data; data
 * `begun` is the size of the log when the call began: a sync covers the writes that were logged before that.
 *   W write   T truncate   S sync of a file   D sync of the folder   C file created   U unlinked   R renamed (data: to)
 *   A bytes handed to a socket or to standard output, logged before they leave
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int log_file = -2; /* -2: not looked yet; -1: nothing is logged */
static const char *folder;
static size_t folder_length;

static void look(void) {
    if (log_file != -2) return;
    const char *path = getenv("RIG_LOG_FILE");
    folder = getenv("RIG_LOG_FOLDER");
    if (!path || !folder) { log_file = -1; return; }
    folder_length = strlen(folder);
    log_file = (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); if (!real) *(void **)&real = dlsym(RTLD_NEXT, name); look()

static uint64_t now(void) {
    struct stat state;
    return log_file >= 0 && syscall(SYS_fstat, log_file, &state) == 0 ? (uint64_t)state.st_size : 0;
}

/* The name inside the folder; "" for the folder itself; NULL for what is elsewhere. */
static const char *name_in_folder(const char *path) {
    size_t length = strlen(path);
    if (length + 1 == folder_length && !strncmp(path, folder, length)) return "";
    return strncmp(path, folder, folder_length) ? NULL : path + folder_length;
}

static const char *name_of(int file) {
    static __thread char path[4096];
    char link[64];
    if (log_file < 0) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0) return NULL;
    path[length] = 0;
    return name_in_folder(path);
}

static void record(char op, const char *name, uint64_t begun, uint64_t offset, const void *data, uint32_t length) {
    size_t name_length = strlen(name), size = 2 + name_length + 8 + 8 + 4 + length;
    if (log_file < 0 || name_length > 255) return;
    unsigned char *all = malloc(size), *at = all;
    if (!all) abort();
    *at++ = (unsigned char)op;
    *at++ = (unsigned char)name_length;
    memcpy(at, name, name_length); at += name_length;
    memcpy(at, &begun, 8); at += 8;
    memcpy(at, &offset, 8); at += 8;
    memcpy(at, &length, 4); at += 4;
    if (length) memcpy(at, data, length);
    if (syscall(SYS_write, log_file, all, size) != (long)size) abort();
    free(all);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    const char *name = name_of(file);
    uint64_t begun = now();
    ssize_t written = real(file, data, length, offset);
    if (name && written > 0) record('W', name, begun, (uint64_t)offset, data, (uint32_t)written);
    return written;
}
ssize_t pwrite(int file, const void *data, size_t length, off_t offset) { return pwrite64(file, data, length, offset); }

ssize_t write(int file, const void *data, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    const char *name = name_of(file);
    uint64_t begun = now();
    if (file == 1) record('A', "", begun, 0, data, (uint32_t)length);
    off_t offset = name ? lseek(file, 0, SEEK_CUR) : 0;
    ssize_t written = real(file, data, length);
    if (name && *name && written > 0) record('W', name, begun, (uint64_t)offset, data, (uint32_t)written);
    return written;
}

static void synced(int result, const char *name, uint64_t begun) {
    if (name && result == 0) record(*name ? 'S' : 'D', name, begun, 0, NULL, 0);
}
int fsync(int file) {
    REAL(int, "fsync", int);
    const char *name = name_of(file);
    uint64_t begun = now();
    int result = real(file);
    synced(result, name, begun);
    return result;
}
int fdatasync(int file) {
    REAL(int, "fdatasync", int);
    const char *name = name_of(file);
    uint64_t begun = now();
    int result = real(file);
    synced(result, name, begun);
    return result;
}

int ftruncate64(int file, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    const char *name = name_of(file);
    uint64_t begun = now();
    int result = real(file, size);
    if (name && result == 0) record('T', name, begun, (uint64_t)size, NULL, 0);
    return result;
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

static void opened(int file, int existed, const char *path, int flags, uint64_t begun) {
    const char *name = log_file >= 0 && (flags & O_CREAT) ? name_in_folder(path) : NULL;
    if (file >= 0 && name && *name && !existed) record('C', name, begun, 0, NULL, 0);
    else if (file >= 0 && (flags & O_TRUNC) && (name = log_file >= 0 ? name_in_folder(path) : NULL) && *name)
        record('T', name, begun, 0, NULL, 0);
}
#define OPEN(function)                                                                    \
    int function(const char *path, int flags, ...) {                                      \
        REAL(int, #function, const char *, int, ...);                                     \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        int existed = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;                  \
        uint64_t begun = now();                                                           \
        int file = real(path, flags, mode);                                               \
        opened(file, existed, path, flags, begun);                                        \
        return file;                                                                      \
    }
OPEN(open)
OPEN(open64)

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    uint64_t begun = now();
    int result = real(path);
    const char *name = log_file >= 0 && result == 0 ? name_in_folder(path) : NULL;
    if (name && *name) record('U', name, begun, 0, NULL, 0);
    return result;
}
int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    uint64_t begun = now();
    int result = real(from, to);
    const char *name = log_file >= 0 && result == 0 ? name_in_folder(from) : NULL;
    const char *other = name ? name_in_folder(to) : NULL;
    if (name && other) record('R', name, begun, 0, other, (uint32_t)strlen(other));
    return result;
}

ssize_t send(int file, const void *data, size_t length, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
    record('A', "", now(), 0, data, (uint32_t)length);
    return real(file, data, length, flags);
}
ssize_t sendto(int file, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    REAL(ssize_t, "sendto", int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    if (length) record('A', "", now(), 0, data, (uint32_t)length);
    return real(file, data, length, flags, to, size);
}
ssize_t sendmsg(int file, const struct msghdr *message, int flags) {
    REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
    for (size_t n = 0; log_file >= 0 && n < message->msg_iovlen; n++)
        record('A', "", now(), 0, message->msg_iov[n].iov_base, (uint32_t)message->msg_iov[n].iov_len);
    return real(file, message, flags);
}
