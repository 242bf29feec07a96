/*
 * set_clock.c: preloaded into a server, shows it a clock that is as many seconds
 * ahead as the file $SET_CLOCK says, in its first eight bytes.  The monotonic
 * clock is left alone.  (libfaketime does not reach background workers.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long *ahead;

__attribute__((constructor))
static void
map_file(void)
{
	const char *path = getenv("SET_CLOCK");
	int			fd = path ? open(path, O_RDONLY) : -1;
	void	   *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, fd, 0);

	if (map != MAP_FAILED)
		ahead = map;
	if (fd >= 0)
		close(fd);
}

static long
seconds_ahead(void)
{
	return ahead ? *ahead : 0;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int	(*real) (clockid_t, struct timespec *);
	int			result;

	if (!real)
		real = (int (*) (clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
	result = real(clock, now);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		now->tv_sec += seconds_ahead();
	return result;
}

int
gettimeofday(struct timeval *now, void *zone)
{
	struct timespec precise;
	int			result = clock_gettime(CLOCK_REALTIME, &precise);

	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return result;
}

time_t
time(time_t *out)
{
	struct timespec precise;

	(void) clock_gettime(CLOCK_REALTIME, &precise);
	if (out)
		*out = precise.tv_sec;
	return precise.tv_sec;
}
