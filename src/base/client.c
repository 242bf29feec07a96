/*-------------------------------------------------------------------------
 *
 * client.c
 *	  The client at the other end of this session's connection.
 *
 *	  A session that sleeps for long watches the socket meanwhile, so that one
 *	  whose client died ends at once: it costs nothing and holds nothing, and
 *	  what comes goes to somebody who is there.  Who has taken something for the
 *	  client looks once more before he gives it away.
 *
 *	  Where the operating system does not tell (WaitEventSetCanReportClosed():
 *	  Linux, macOS and the BSDs do), and in processes of ours, which have no
 *	  client, it is an ordinary sleep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/client.h"
#include "base/compat.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"

/*
 * From libpq/libpq.h, which wants the headers of GSSAPI; the same in 15 to 18
 */
extern PGDLLIMPORT WaitEventSet *FeBeWaitSet;
extern bool pq_check_connection(void);

#define FeBeWaitSetSocketPos	0
#define FeBeWaitSetNEvents		3

static bool
is_watched(void)
{
	return MyProcPort && FeBeWaitSet && WaitEventSetCanReportClosed();
}

/*
 * The client is gone: end the session, as the server does where
 * client_connection_check_interval finds that out
 */
static void
end_session(void)
{
	ClientConnectionLost = true;
	InterruptPending = true;
	CHECK_FOR_INTERRUPTS();
}

/*
 * Sleep until the latch is set, or so many milliseconds are over.  The session
 * ends here when its client is gone.
 */
void
client_sleep(long timeout, uint32 event)
{
	WaitEvent	events[FeBeWaitSetNEvents];
	int			n;

	if (!is_watched())
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout, event);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		return;
	}
	ModifyWaitEvent(FeBeWaitSet, FeBeWaitSetSocketPos, WL_SOCKET_CLOSED, NULL);
	n = WaitEventSetWait(FeBeWaitSet, timeout, events, lengthof(events), event);
	for (int i = 0; i < n; i++)
	{
		if (events[i].events & WL_POSTMASTER_DEATH)
			proc_exit(1);
		if (events[i].events & WL_SOCKET_CLOSED)
			end_session();
	}
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Is the client still there?  If not, the session ends here.
 */
void
client_check(void)
{
	if (is_watched() && !pq_check_connection())
		end_session();
}
