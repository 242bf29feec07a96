/*-------------------------------------------------------------------------
 *
 * trouble.c
 *	  What keeps a whole database from its work: a full disk, and its like.
 *
 *	  1. Errors of the classes 53 (insufficient resources) and 58 (system error)
 *	  that our own statements meet are nobody's fault, and will be met by the next
 *	  run, too.  So the process that meets one waits before its next try, longer
 *	  each time, up to TROUBLE_MAX_DELAY.
 *
 *	  2. It is a failure of the database only where the record of a run's failure
 *	  cannot be written, or no run's code was in the transaction: code can raise
 *	  such errors, too, and that is its run's failure (drive.c).
 *
 *	  3. The entry of the database tells of it: to wf_stuck, and to all processes
 *	  of ours, so that a minute has one line in the log and not one for each try.
 *	  Nobody asks it whether to try: a role that can work goes on working.
 *
 *	  4. It is over with the first success of a process that had met it, or when
 *	  anybody of us has written something.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/failure.h"
#include "miscadmin.h"
#include "shared/shmem.h"
#include "shared/trouble.h"

#define FIRST_DELAY_MS	100
#define LOG_INTERVAL_MS 60000

/* Failures in a row that this process has met */
static int	met = 0;

/*
 * The entry of this database
 */
static Database *
own_database(void)
{
	static Database *last = NULL;

	if (!last || last->dbid != MyDatabaseId)
		last = durable_database(MyDatabaseId, false);
	return last;
}

/*
 * Is it an error that has nothing to do with whose work it meets?
 */
bool
trouble_may_be(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_INSUFFICIENT_RESOURCES || category == ERRCODE_SYSTEM_ERROR;
}

/*
 * For the log, which is written where names cannot be looked up
 */
void
trouble_name_database(const char *name)
{
	Database   *db = own_database();

	if (db)
		clip_text(db->name, name, NAMEDATALEN);
}

/*
 * Need this error not be logged, since the database's line tells of it?
 */
bool
trouble_hides(const ErrorData *edata)
{
	Database   *db = own_database();

	return db && db->trouble.tries > 0 && trouble_may_be(edata->sqlerrcode);
}

static void
log_trouble(const Database *db, const Trouble *trouble)
{
	ereport(LOG,
			(errcode(trouble->sqlstate),
			 errmsg("durable cannot work in database \"%s\": %s", db->name, trouble->message),
			 errdetail("%d failed since %s, the last one with SQLSTATE %s.",
					   trouble->tries, timestamptz_to_str(trouble->since), unpack_sql_state(trouble->sqlstate)),
			 errhint("It is tried again at least every %d seconds; nobody has to do anything but to mend the cause.",
					 TROUBLE_MAX_DELAY / 1000)));
}

/*
 * A statement or a commit of ours has failed for such a reason
 */
void
trouble_note(const ErrorData *edata)
{
	Database   *db = own_database();
	TimestampTz now = GetCurrentTimestamp();
	char		message[TROUBLE_MESSAGE];
	Trouble		seen;
	bool		tell;

	met++;
	if (!db)
		return;
	clip_text(message, edata->message ? edata->message : "", sizeof(message));
	SpinLockAcquire(&db->mutex);
	if (db->trouble.tries == 0)
		db->trouble.since = now;
	db->trouble.tries++;
	db->trouble.sqlstate = edata->sqlerrcode;
	memcpy(db->trouble.message, message, sizeof(message));
	/* a clock that was set back must not silence it */
	tell = db->trouble.logged_at == 0 || now < db->trouble.logged_at ||
		now - db->trouble.logged_at >= LOG_INTERVAL_MS * INT64CONST(1000);
	if (tell)
		db->trouble.logged_at = now;
	seen = db->trouble;
	SpinLockRelease(&db->mutex);
	if (tell)
		log_trouble(db, &seen);
}

/*
 * Milliseconds before this process tries again; 0: it has met nothing
 */
long
trouble_delay(void)
{
	long		delay = FIRST_DELAY_MS;

	if (met == 0)
		return 0;
	for (int i = 1; i < met && delay < TROUBLE_MAX_DELAY; i++)
		delay *= 2;
	return Min(delay, TROUBLE_MAX_DELAY);
}

/*
 * Is there any in a database?
 */
bool
trouble_in(Oid dbid)
{
	Database   *db = durable_database(dbid, false);

	return db && db->trouble.tries > 0;
}

/*
 * A transaction of ours has committed; did it write anything?
 */
void
trouble_over(bool wrote)
{
	Database   *db;
	Trouble		before;

	if (met == 0 && !wrote)
		return;
	met = 0;
	db = own_database();
	if (!db || db->trouble.tries == 0)
		return;
	SpinLockAcquire(&db->mutex);
	before = db->trouble;
	db->trouble.tries = 0;
	SpinLockRelease(&db->mutex);
	if (before.tries > 0 && before.logged_at >= before.since)
		ereport(LOG,
				(errmsg("durable works again in database \"%s\"", db->name),
				 errdetail("%d failed since %s.", before.tries, timestamptz_to_str(before.since))));
}

/*
 * For wf_stuck; NULL where nothing is the matter
 */
char *
trouble_why(void)
{
	Database   *db = own_database();
	Trouble		seen;

	if (!db || db->trouble.tries == 0)
		return NULL;
	SpinLockAcquire(&db->mutex);
	seen = db->trouble;
	SpinLockRelease(&db->mutex);
	if (seen.tries == 0)
		return NULL;
	return psprintf("the engine's own statements fail in this database since %s (%d so far): %s (SQLSTATE %s)",
					timestamptz_to_str(seen.since), seen.tries, seen.message, unpack_sql_state(seen.sqlstate));
}
