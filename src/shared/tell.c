/*-------------------------------------------------------------------------
 *
 * tell.c
 *	  Lines in the log about what goes wrong with runs.
 *
 *	  wf_stuck has all of it, and the log what an operator should not miss: the
 *	  first failure of a turn, an activity that fails again and again, and both
 *	  again each time their number has doubled.  A thousand runs that fail for one
 *	  reason are not a thousand lines: each process has a few a minute, and says
 *	  how many it has left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/testmode.h"
#include "miscadmin.h"
#include "shared/tell.h"
#include "shared/trouble.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define WINDOW_USECS	(60 * USECS_PER_SEC)
#define LINES			10

/*
 * May there be another line?  *left_out says of how many there was none.
 */
static bool
may_tell(int *left_out)
{
	static int64 since = 0;
	static int	lines = 0;
	static int	missing = 0;
	int64		now = durable_monotonic();

	if (test_mode)
		return false;
	if (since == 0 || now - since > WINDOW_USECS)
	{
		since = now;
		lines = 0;
	}
	if (lines >= LINES)
	{
		missing++;
		return false;
	}
	lines++;
	*left_out = missing;
	missing = 0;
	return true;
}

/*
 * Is it `first' times a power of two?
 */
static bool
has_doubled(int count, int first)
{
	while (first < count && first <= PG_INT32_MAX / 2)
		first *= 2;
	return count == first;
}

static int
detail(int left_out)
{
	return left_out > 0 ? errdetail("%d such lines of this process were left out before it.", left_out) : 0;
}

static char *
run_text(const pg_uuid_t *run_id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(run_id)));
}

/*
 * So many turns of a run have failed in a row
 */
void
tell_turn_fails(const text *workflow_id, const pg_uuid_t *run_id, int failures, const ErrorData *problem)
{
	int			left_out;

	/* what cannot be recorded fails for the first time again and again */
	if (!has_doubled(failures, 1) || trouble_hides(problem) || !may_tell(&left_out))
		return;
	ereport(LOG,
			(errcode(problem->sqlerrcode),
			 errmsg("workflow \"%s\" (run %s): its turn fails, %d times by now: %s",
					text_to_cstring(workflow_id), run_text(run_id), failures, problem->message),
			 detail(left_out),
			 errhint("It is tried again until it succeeds. See wf_stuck.")));
}

/*
 * So many attempts of an activity have failed, and there will be another one
 */
void
tell_retried(const text *workflow_id, const pg_uuid_t *run_id, const text *activity, int attempt, Jsonb *failure)
{
	char	   *message = failure && JB_ROOT_IS_OBJECT(failure) ? json_find_text(failure, "message") : NULL;
	int			left_out;

	if (attempt < durable_tell_attempts || !has_doubled(attempt, durable_tell_attempts) || !may_tell(&left_out))
		return;
	ereport(LOG,
			(errmsg("workflow \"%s\" (run %s): activity \"%s\" has failed %d times: %s",
					text_to_cstring(workflow_id), run_text(run_id), text_to_cstring(activity), attempt,
					message ? message : "no message"),
			 detail(left_out),
			 errhint("It is tried again as its retry policy says. See wf_stuck and wf_attempts.")));
}

/*
 * Tasks of external workers wait, and no worker asks for them
 */
void
tell_unpolled(const char *queue, Oid owner)
{
	int			left_out;

	if (!may_tell(&left_out))
		return;
	ereport(LOG,
			(errmsg("task queue \"%s\" of role %s: its tasks wait, and no worker polls for them", queue,
					quote_identifier(GetUserNameFromId(owner, true) ? GetUserNameFromId(owner, true) : psprintf("%u", owner))),
			 detail(left_out),
			 errhint("Start a worker for it, with a role that is a member of that one. See wf_stuck.")));
}
