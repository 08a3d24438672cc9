/* The managed program of the benchmark: says when it reached main(), then waits for a signal.
 *
 * Every manager runs this same program, so that what is measured is the manager. It writes 16 bytes
 * (CLOCK_MONOTONIC in nanoseconds, its process id) to the FIFO whose absolute path is its
 * argument, or to the FIFO `marks` in its directory. It must never do work of its own.
 */
#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t mark[2] = { now.tv_sec * 1000000000LL + now.tv_nsec, getpid() };
    /* s6 passes the name of the service; an absolute path is ours. */
    const char *marks = count > 1 && arguments[1][0] == '/' ? arguments[1] : "marks";
    int fifo = open(marks, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fifo < 0 || write(fifo, mark, sizeof mark) != sizeof mark) {
        return 1;
    }
    close(fifo);
    for (;;) {
        pause();
    }
}
