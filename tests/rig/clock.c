/* Shows a process of a trial another time of day than the machine's.
 *
 * Preloaded (LD_PRELOAD). RIG_CLOCK is a file of three doubles, mapped into memory, so that the clock can jump while
 * the process runs: real start, shown start (both seconds since 1970), and the pace of the shown clock.
 *   shown = shown start + (real - real start) * pace
 * Only the wall clock (CLOCK_REALTIME) is shown so; the monotonic clock keeps its own time.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const double *clock_file;

__attribute__((constructor)) static void look(void) {
    const char *path = getenv("RIG_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *map = mmap(NULL, 3 * sizeof(double), PROT_READ, MAP_SHARED, file, 0);
    if (map != MAP_FAILED) clock_file = map;
    close(file);
}

static int real_time(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    return real(id, at);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int result = real_time(id, at);
    if (result || !clock_file || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return result;
    double real = (double)at->tv_sec + (double)at->tv_nsec / 1e9;
    double shown = clock_file[1] + (real - clock_file[0]) * clock_file[2];
    at->tv_sec = (time_t)floor(shown);
    at->tv_nsec = (long)((shown - floor(shown)) * 1e9);
    return 0;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec shown;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &shown)) return -1;
    at->tv_sec = shown.tv_sec;
    at->tv_usec = shown.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec shown;
    clock_gettime(CLOCK_REALTIME, &shown);
    if (at) *at = shown.tv_sec;
    return shown.tv_sec;
}
