/*-------------------------------------------------------------------------
 *
 * mock.c
 *	  What stands in for activities in a test.
 *
 *	  1. Where an activity's code would be called, the mocks are asked first: by
 *	  step.c for steps, by testkit.c for activities in queues.  All else about the
 *	  activity is real: its events, attempts, retries and timeouts.
 *
 *	  2. Mocks for a number of calls are used up in the order in which they were
 *	  given; after them comes the one for all calls, if there is any.
 *
 *	  3. Calls are noted, mocked or not.  Notes and mocks live in memory as long as
 *	  the test does: a test that expects an error rolls back a subtransaction, and
 *	  then wants to know what was called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/failure.h"
#include "base/testmode.h"
#include "base/text.h"
#include "turn/mock.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

typedef struct MockedCall
{
	char	   *activity;
	Jsonb	   *input;
} MockedCall;

/* Lists of the test, in its memory */
static List *mocks = NIL;
static List *calls = NIL;

static void
forget(void *arg)
{
	mocks = calls = NIL;
}

/*
 * Use memory of the test; the lists go with it
 */
static MemoryContext
use_test_memory(void)
{
	MemoryContext old = MemoryContextSwitchTo(test_mode_context());

	if (mocks == NIL && calls == NIL)
	{
		MemoryContextCallback *callback = palloc0(sizeof(MemoryContextCallback));

		callback->func = forget;
		MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	}
	return old;
}

static char *
keep_string(const char *value)
{
	return value ? pstrdup(value) : NULL;
}

/*
 * A mock for all calls takes the place of the one there was
 */
static void
drop_last(const Mock *mock)
{
	ListCell   *cell;

	foreach(cell, mocks)
	{
		Mock	   *other = lfirst(cell);

		if (mock->left < 0 && other->left < 0 && strcmp(other->activity, mock->activity) == 0 &&
			!other->input && !mock->input)
			mocks = foreach_delete_current(mocks, cell);
	}
}

/*
 * Have something stand in for an activity, in this test
 */
void
mock_add(const Mock *mock)
{
	MemoryContext old = use_test_memory();
	Mock	   *copy = palloc(sizeof(Mock));

	drop_last(mock);
	*copy = *mock;
	copy->activity = pstrdup(mock->activity);
	copy->input = varlena_copy(mock->input);
	copy->result = varlena_copy(mock->result);
	copy->error = keep_string(mock->error);
	copy->message = keep_string(mock->message);
	copy->details = varlena_copy(mock->details);
	copy->times_out = keep_string(mock->times_out);
	mocks = lappend(mocks, copy);
	MemoryContextSwitchTo(old);
}

/*
 * Is there a mock of an activity, used up or not?
 */
bool
mock_exists(const char *activity)
{
	ListCell   *cell;

	foreach(cell, mocks)
		if (strcmp(((Mock *) lfirst(cell))->activity, activity) == 0)
			return true;
	return false;
}

static bool
fits(const Mock *mock, const char *activity, Jsonb *input)
{
	if (mock->left == 0 || strcmp(mock->activity, activity) != 0)
		return false;
	return !mock->input ||
		(input && DatumGetBool(DirectFunctionCall2(jsonb_contains, JsonbPGetDatum(input), JsonbPGetDatum(mock->input))));
}

static void
note_call(char *activity, Jsonb *input)
{
	MemoryContext old = use_test_memory();
	MockedCall *call = palloc(sizeof(MockedCall));

	call->activity = pstrdup(activity);
	call->input = varlena_copy(input);
	calls = lappend(calls, call);
	MemoryContextSwitchTo(old);
}

/*
 * An activity is called: note it.  Returns the mock that stands in for it, NULL
 * for none.
 */
Mock *
mock_call(const text *activity, Jsonb *input)
{
	char	   *name = text_to_cstring(activity);
	Mock	   *result = NULL;
	ListCell   *cell;

	note_call(name, input);
	foreach(cell, mocks)
	{
		Mock	   *mock = lfirst(cell);

		if (!fits(mock, name, input))
			continue;
		if (mock->left > 0)
		{
			mock->left--;
			return mock;
		}
		/* of those for all calls, the more special one, then the later one */
		if (!result || mock->input || !result->input)
			result = mock;
	}
	return result;
}

/*
 * Is it a SQLSTATE?  Those of the standard and the server's have a digit; what
 * has none is taken for a type.
 */
static bool
is_sqlstate(const char *error)
{
	return strlen(error) == 5 && strspn(error, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 &&
		strcspn(error, "0123456789") < 5;
}

/*
 * Complete or fail as the mock says: as the activity's code would
 */
Jsonb *
mock_outcome(const Mock *mock)
{
	const char *e = mock->error;
	const char *message = mock->message ? mock->message : e;

	if (!e)
		return mock->result;
	if (!is_sqlstate(e))
		failure_throw(failure_of_activity(e, message, mock->details, mock->non_retryable, NULL, 0));
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(e[0], e[1], e[2], e[3], e[4])),
			 errmsg_internal("%s", message)));
	return NULL;
}

/*
 * The inputs of an activity's calls, in order; NULL for SQL NULL
 */
List *
mock_calls(const char *activity)
{
	List	   *result = NIL;
	ListCell   *cell;

	foreach(cell, calls)
	{
		MockedCall *call = lfirst(cell);

		if (strcmp(call->activity, activity) == 0)
			result = lappend(result, call->input);
	}
	return result;
}
