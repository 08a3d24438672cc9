/* Prints lines when it is told to, and stays. Its argument is a FIFO, in which it says three times
 * how it stands, each time with its process id: that it runs, when it begins (it waits for SIGUSR1
 * before that), and at its end how long its longest write took, in nanoseconds.
 *
 * Without RATE it prints the same line of 100 bytes, LINES in each write, MEGABYTES of it, as fast as
 * it can. With RATE it prints numbered lines, so many MB a second, a hundredth of that at once. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "line.h"

#define LINE 100

static int marks;
static int64_t longest;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void mark(int64_t number) {
    int64_t said[2] = {number, getpid()};
    if (write(marks, said, sizeof said) != sizeof said) _exit(1);
}

static void print(const char *bytes, size_t left) {
    while (left > 0) {
        ssize_t done = write(1, bytes, left);
        if (done < 0) _exit(2);
        bytes += done;
        left -= done;
    }
}

#ifdef RATE
static void print_all(void) {
    enum { TURN = RATE * 10000 };
    static char turn[TURN + LINE_MAX_BYTES];
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    uint64_t number = 0;
    for (uint64_t printed = 0; printed < MEGABYTES * 1000000ULL;) {
        size_t used = 0;
        while (used < TURN) used += line_of(number++, turn + used);
        int64_t began = now(), took;
        print(turn, used);
        if ((took = now() - began) > longest) longest = took;
        printed += used;
        due.tv_nsec += 10000000;
        if (due.tv_nsec >= 1000000000) due.tv_nsec -= 1000000000, due.tv_sec++;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
    }
}
#else
static void print_all(void) {
    static char block[LINE * LINES];
    memset(block, 'x', sizeof block);
    for (int line = 0; line < LINES; line++) block[line * LINE + LINE - 1] = '\n';
    for (int64_t left = MEGABYTES * 1000000LL; left > 0; left -= sizeof block)
        print(block, left < (int64_t)sizeof block ? (size_t)left : sizeof block);
}
#endif

int main(int argc, char **argv) {
    sigset_t go;
    int signal;
    sigemptyset(&go);
    sigaddset(&go, SIGUSR1);
    sigprocmask(SIG_BLOCK, &go, NULL);
    marks = argc > 1 ? open(argv[1], O_WRONLY | O_CLOEXEC) : -1;
    mark(now());
    sigwait(&go, &signal);
    mark(now());
    print_all();
    mark(longest);
    for (;;) pause();
}
