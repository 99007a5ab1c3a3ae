// Preloaded: records what a process writes to files whose path begins with $FAULT_PREFIX, what of it was brought to the
// disk, and what it sent to its clients meanwhile, in one order. With $FAULT_DEAF nothing is ever brought to the disk.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

struct __attribute__((packed)) head { char kind; uint16_t path; uint64_t offset, length; };

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;

static void note(char kind, const char *path, uint64_t offset, const void *data, uint64_t length) {
    static typeof(&writev) put;
    pthread_mutex_lock(&turn);
    if (record < 0) {
        put = REAL(writev);
        record = open(getenv("FAULT_RECORD"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    struct head head = {kind, (uint16_t)strlen(path), offset, length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, data ? length : 0}};
    if (put(record, parts, 3) < 0) abort();
    pthread_mutex_unlock(&turn);
}

static const char *below(const char *path) {
    const char *prefix = getenv("FAULT_PREFIX");
    return prefix && !strncmp(path, prefix, strlen(prefix)) ? path : NULL;
}

// The path of a descriptor, where it is one that counts; of a folder that holds such files as well.
static const char *path_of(int file, char *path) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return NULL;
    path[length] = 0;
    const char *prefix = getenv("FAULT_PREFIX");
    if (prefix && !strncmp(prefix, path, length) && !strchr(prefix + length + 1, '/')) return path;
    return below(path);
}

static int is_client(int file) {
    int family;
    socklen_t size = sizeof family;
    return !getsockopt(file, SOL_SOCKET, SO_DOMAIN, &family, &size) && family == AF_INET;
}

ssize_t write(int file, const void *data, size_t length) {
    char path[PATH_MAX];
    if (path_of(file, path)) note('W', path, lseek(file, 0, SEEK_CUR), data, length);
    return REAL(write)(file, data, length);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t offset) {
    char path[PATH_MAX];
    if (path_of(file, path)) note('W', path, offset, data, length);
    return REAL(pwrite)(file, data, length, offset);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) { return pwrite(file, data, length, offset); }

int ftruncate(int file, off_t length) {
    char path[PATH_MAX];
    if (path_of(file, path)) note('T', path, 0, NULL, length);
    return REAL(ftruncate)(file, length);
}

int ftruncate64(int file, off64_t length) { return ftruncate(file, length); }

static int brought(int file, int (*bring)(int)) {
    char path[PATH_MAX];
    int done = bring(file);
    if (!done && !getenv("FAULT_DEAF") && path_of(file, path)) note('F', path, 0, NULL, 0);
    return done;
}

int fsync(int file) { return brought(file, REAL(fsync)); }

int fdatasync(int file) { return brought(file, REAL(fdatasync)); }

int unlink(const char *path) {
    if (below(path)) note('U', path, 0, NULL, 0);
    return REAL(unlink)(path);
}

ssize_t send(int to, const void *data, size_t length, int flags) {
    if (is_client(to)) note('S', "", 0, data, length);
    return REAL(send)(to, data, length, flags);
}

ssize_t sendmsg(int to, const struct msghdr *message, int flags) {
    for (size_t part = 0; is_client(to) && part < message->msg_iovlen; part++)
        note('S', "", 0, message->msg_iov[part].iov_base, message->msg_iov[part].iov_len);
    return REAL(sendmsg)(to, message, flags);
}
