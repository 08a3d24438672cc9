/* The floor of the benchmark: the least that starts a program again after its death.
 *
 * floor PROGRAM MARKS COUNT: posix_spawn, one pidfd for each child, poll, reap, posix_spawn. No
 * configuration, no logs, no status, no backoff: nobody can be faster with this kernel, and nobody
 * could run this in production. SIGTERM ends it and its children.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static pid_t *children;
static struct pollfd *watched;

static void start(const char *program, char *marks, int place) {
    char *arguments[] = { (char *)program, marks, NULL };
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (posix_spawn(&children[place], program, NULL, &attributes, arguments, environ) != 0) {
        exit(1);
    }
    posix_spawnattr_destroy(&attributes);
    watched[place].fd = (int)syscall(SYS_pidfd_open, children[place], 0);
    watched[place].events = POLLIN;
}

static volatile sig_atomic_t ending;

static void end(int signal) {
    (void)signal;
    ending = 1;
}

int main(int count, char **arguments) {
    if (count != 4) {
        return 2;
    }
    int places = atoi(arguments[3]);
    children = calloc(places, sizeof *children);
    watched = calloc(places, sizeof *watched);
    sigset_t term, before;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &before);
    signal(SIGTERM, end);
    for (int place = 0; place < places; place++) {
        start(arguments[1], arguments[2], place);
    }
    while (!ending) {
        if (ppoll(watched, places, NULL, &before) < 0) {
            continue;
        }
        for (int place = 0; place < places; place++) {
            if (watched[place].revents & POLLIN) {
                close(watched[place].fd);
                waitpid(children[place], NULL, 0);
                start(arguments[1], arguments[2], place);
            }
        }
    }
    for (int place = 0; place < places; place++) {
        kill(children[place], SIGTERM);
    }
    for (int place = 0; place < places; place++) {
        waitpid(children[place], NULL, 0);
    }
    return 0;
}
