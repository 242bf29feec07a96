/*-------------------------------------------------------------------------
 *
 * finding.c
 *	  What the patrol has found.
 *
 *	  Findings are kept in shared memory, the last ones of all databases: for
 *	  wf_patrol, and so that each is logged once.  A restart of the server
 *	  forgets them, the log does not.
 *
 *	  The directory lock guards them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/text.h"
#include "miscadmin.h"
#include "shared/finding.h"
#include "shared/shmem.h"

/*
 * As wf_patrol has it
 */
const char *
finding_name(FindingKind kind)
{
	static const char *const names[] = {
		"mail", "task", "limited task", "timer", "activity timeout", "lease", "retry", "wait", "waiting session"
	};

	return names[kind];
}

static bool
is_same(const Finding *a, const Finding *b)
{
	return a->dbid == b->dbid && a->kind == b->kind && a->number == b->number &&
		uuid_equal(&a->run_id, &b->run_id);
}

/*
 * Note a finding; false where it was found before.  The oldest makes room.
 */
bool
finding_note(const Finding *finding)
{
	TimestampTz now = GetCurrentTimestamp();
	Finding    *entry = NULL;

	shared_lock(shared->directory, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_FINDINGS && !entry; i++)
		if (is_same(&shared->findings[i], finding))
			entry = &shared->findings[i];
	if (entry)
	{
		entry->last_at = now;
		entry->times++;
	}
	else
	{
		Finding    *room = &shared->findings[shared->next_finding++ % MAX_FINDINGS];

		*room = *finding;
		room->first_at = room->last_at = now;
		room->times = 1;
	}
	LWLockRelease(shared->directory);
	return entry == NULL;
}

/*
 * Those of this database; there is room for MAX_FINDINGS
 */
int
findings_copy(Finding *findings)
{
	int			n = 0;

	shared_lock(shared->directory, LW_SHARED);
	for (int i = 0; i < MAX_FINDINGS; i++)
		if (shared->findings[i].dbid == MyDatabaseId)
			findings[n++] = shared->findings[i];
	LWLockRelease(shared->directory);
	return n;
}
