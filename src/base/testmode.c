/*-------------------------------------------------------------------------
 *
 * testmode.c
 *	  A transaction that tests workflows: its clock, and its runs.
 *
 *	  1. wf_test_begin() turns it on until the transaction ends, or the
 *	  subtransaction is rolled back that it was called in.  The transaction cannot
 *	  commit, so nothing of a test is ever seen by anyone else.
 *
 *	  2. The clock stands still but where the test kit moves it (testkit.c), and
 *	  never goes back.
 *
 *	  3. The runs that are inserted meanwhile are listed here, and the test kit
 *	  drives these and no others: the database may have runs whose timers would
 *	  be due by the test's clock.  One that has closed is left out, unless what
 *	  closed it is rolled back.  An entry whose insertion was rolled back names a
 *	  run that is not found any more.
 *
 *	  4. In shared memory a test neither makes nor changes anything: queues are
 *	  looked up and not created (queue.c), task queues are local (taskqueue.c), and
 *	  all that is told at COMMIT is not told.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/testmode.h"
#include "base/text.h"
#include "base/vec.h"
#include "utils/memutils.h"

typedef struct TestRun
{
	pg_uuid_t	run_id;
	int			closed_level;	/* nesting level at which it was closed; 0: open */
} TestRun;

bool		test_mode = false;
uint64		test_mode_messages = 0;

static MemoryContext context = NULL;	/* what a test keeps */
static TimestampTz clock_at;
static TimestampTz started_at;
static int	begin_level;
static TestRun *runs = NULL;
static int	nruns = 0;
static int	runs_room = 0;

/*
 * Forget all of a test
 */
static void
forget(void)
{
	if (context)
		MemoryContextDelete(context);
	context = NULL;
	runs = NULL;
	nruns = runs_room = 0;
}

/*
 * A test begins.  If one was under way already it is forgotten, with its runs.
 */
void
test_mode_begin(TimestampTz at)
{
	int			level = GetCurrentTransactionNestLevel();

	forget();
	context = AllocSetContextCreate(TopMemoryContext, "durable test", ALLOCSET_DEFAULT_SIZES);
	begin_level = test_mode ? Min(begin_level, level) : level;
	clock_at = started_at = at;
	test_mode = true;
}

/*
 * An error where no test is under way; `call' names the function
 */
void
test_mode_require(const char *call)
{
	if (!test_mode)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s called outside a test", call),
				 errhint("Begin a transaction, and call wf_test_begin() in it.")));
}

/*
 * Memory that lasts as long as the test
 */
MemoryContext
test_mode_context(void)
{
	return context;
}

/*
 * The time of the test
 */
TimestampTz
test_mode_now(void)
{
	return clock_at;
}

/*
 * When the test began, by its own time
 */
TimestampTz
test_mode_started_at(void)
{
	return started_at;
}

/*
 * Let time pass
 */
void
test_mode_set_clock(TimestampTz at)
{
	clock_at = Max(clock_at, at);
}

/*
 * A run was inserted
 */
void
test_mode_add_run(const pg_uuid_t *run_id)
{
	if (!test_mode)
		return;
	runs = vec_room(runs, nruns, &runs_room, sizeof(TestRun), context);
	runs[nruns++] = (TestRun) {*run_id, 0};
}

static TestRun *
find_test_run(const pg_uuid_t *run_id)
{
	for (int i = nruns - 1; i >= 0; i--)
		if (uuid_equal(&runs[i].run_id, run_id))
			return &runs[i];
	return NULL;
}

/*
 * It has closed, at the current nesting level
 */
void
test_mode_close_run(const pg_uuid_t *run_id)
{
	TestRun    *run = find_test_run(run_id);

	if (run)
		run->closed_level = GetCurrentTransactionNestLevel();
}

/*
 * Is this a run of the test that has closed?
 */
bool
test_mode_closed(const pg_uuid_t *run_id)
{
	TestRun    *run = find_test_run(run_id);

	return run && run->closed_level > 0;
}

/*
 * Is this a run of the test?
 */
bool
test_mode_has_run(const pg_uuid_t *run_id)
{
	return test_mode && find_test_run(run_id) != NULL;
}

/*
 * The runs that are not known to be closed
 */
int
test_mode_open_runs(pg_uuid_t **run_ids)
{
	int			count = 0;

	*run_ids = palloc(Max(nruns, 1) * sizeof(pg_uuid_t));
	for (int i = 0; i < nruns; i++)
		if (runs[i].closed_level == 0)
			(*run_ids)[count++] = runs[i].run_id;
	return count;
}

static void
xact_callback(XactEvent event, void *arg)
{
	if (!test_mode)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
					 errmsg("a transaction that tests workflows cannot be committed"),
					 errdetail("wf_test_begin() was called in it."),
					 errhint("Call it in a transaction block, and end that with ROLLBACK.")));
			break;
		case XACT_EVENT_ABORT:
			test_mode = false;
			forget();
			break;
		default:
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	int			level;

	if (!test_mode || (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB))
		return;
	level = GetCurrentTransactionNestLevel();
	if (event == SUBXACT_EVENT_ABORT_SUB && begin_level >= level)
	{
		test_mode = false;
		forget();
		return;
	}
	begin_level = Min(begin_level, level - 1);
	for (int i = 0; i < nruns; i++)
		if (runs[i].closed_level >= level)
			runs[i].closed_level = event == SUBXACT_EVENT_ABORT_SUB ? 0 : level - 1;
}

/*
 * Have a test end with its transaction
 */
void
durable_testmode_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
