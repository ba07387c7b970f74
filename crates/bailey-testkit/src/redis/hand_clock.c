/* Loaded into a real redis-server, so that a test can move its clock by hand: the time of day is what
 * a shared file says, in milliseconds since 1970. Durations stay the machine's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void) {
    static volatile int64_t *shared;
    if (!shared) {
        int file = open(getenv("HAND_CLOCK"), O_RDONLY);
        void *page = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, file, 0);
        if (file < 0 || page == MAP_FAILED) abort();
        shared = page;
    }
    return *shared;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone) {
    int64_t milliseconds = now();
    (void)zone;
    told->tv_sec = milliseconds / 1000;
    told->tv_usec = milliseconds % 1000 * 1000;
    return 0;
}

int clock_gettime(clockid_t which, struct timespec *told) {
    if (which != CLOCK_REALTIME) return syscall(SYS_clock_gettime, which, told);
    int64_t milliseconds = now();
    told->tv_sec = milliseconds / 1000;
    told->tv_nsec = milliseconds % 1000 * 1000000;
    return 0;
}

time_t time(time_t *told) {
    time_t seconds = now() / 1000;
    if (told) *told = seconds;
    return seconds;
}
