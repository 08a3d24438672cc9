/* Writes MEGABYTES of lines of 100 bytes to its standard output, in blocks of 64 KiB, as fast as it
 * can, and stays. Its argument is a FIFO, in which it says when it began. */
#include <stdint.h>
#include <string.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define LINE 100
#define LINES 655

int main(int argc, char **argv) {
    static char block[LINE * LINES];
    memset(block, 'x', sizeof block);
    for (int line = 0; line < LINES; line++) block[line * LINE + LINE - 1] = '\n';
    int marks = argc > 1 ? open(argv[1], O_WRONLY | O_CLOEXEC) : -1;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t mark[2] = {now.tv_sec * 1000000000LL + now.tv_nsec, getpid()};
    if (write(marks, mark, sizeof mark) != sizeof mark) return 1;
    for (int64_t left = MEGABYTES * 1000000LL; left > 0;) {
        ssize_t done = write(1, block, left < (int64_t)sizeof block ? (size_t)left : sizeof block);
        if (done < 0) return 2;
        left -= done;
    }
    for (;;) pause();
}
