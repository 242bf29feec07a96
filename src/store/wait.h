/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  A session that waits for what others do.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_WAIT_H
#define DURABLE_WAIT_H

/* One wait, of however many sleeps. */
typedef struct Wait
{
	uint32		event;			/* for pg_stat_activity */
	int64		until;			/* by durable_monotonic(); PG_INT64_MAX: no end */
	int64		since;			/* the rest is wait.c's */
	bool		in_nobodys_way;
} Wait;

extern bool wait_sleep(Wait *wait, long longest);

#endif							/* DURABLE_WAIT_H */
