/* Which file system a path is on, by each call that tells: statfs and fstatfs, of 32 and of 64 bits. A line of JSON
 * each: what, of which path, the kind in hexadecimal, or the error number. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static void tell(const char *what, const char *path, int result, unsigned long kind, int before)
{
	if (result == 0)
		printf("{\"event\":\"%s\",\"path\":\"%s\",\"kind\":\"%lx\",\"errno\":%d}\n", what, path, kind, errno == before ? 0 : errno);
	else
		printf("{\"event\":\"%s\",\"path\":\"%s\",\"kind\":\"\",\"errno\":%d}\n", what, path, errno);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	for (int k = 1; k < argc; k++) {
		const char *path = argv[k];
		struct statfs fs;
		struct statfs64 fs64;
		memset(&fs, 0, sizeof fs);
		memset(&fs64, 0, sizeof fs64);
		errno = 77;
		int result = statfs(path, &fs);
		tell("statfs", path, result, (unsigned)fs.f_type, 77);
		errno = 77;
		result = statfs64(path, &fs64);
		tell("statfs64", path, result, (unsigned)fs64.f_type, 77);
		int fd = open(path, O_PATH | O_CLOEXEC);
		memset(&fs, 0, sizeof fs);
		memset(&fs64, 0, sizeof fs64);
		errno = 77;
		result = fstatfs(fd, &fs);
		tell("fstatfs", path, result, (unsigned)fs.f_type, 77);
		errno = 77;
		result = fstatfs64(fd, &fs64);
		tell("fstatfs64", path, result, (unsigned)fs64.f_type, 77);
		if (fd >= 0)
			close(fd);
	}
	return 0;
}
