/*-------------------------------------------------------------------------
 *
 * shares.c
 *	  How many of the workers one role may keep from others.
 *
 *	  1. As long as nobody waits for a worker a role may have all of them.  When
 *	  others do, idle workers leave at once, and busy ones between two batches
 *	  (worker.c).  That is not enough where one role's steps take long: so workers
 *	  of a role that has more than its share are asked to leave, and do so in the
 *	  middle of a step, which is undone (holder.c).
 *
 *	  2. A share is durable.workers_per_role as it is set for the role, which its
 *	  workers note in their slots: a role cannot set it for itself.  It counts for
 *	  all databases together, and for each kind of worker.  Workers within the
 *	  share are never asked, so a step of any length gets to its end in one of them.
 *
 *	  3. Of a role beyond its share the workers that began last are asked: they
 *	  have the least to lose.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/guc.h"
#include "shared/holder.h"
#include "shared/shares.h"
#include "shared/shmem.h"

/*
 * What a role has of a kind
 */
typedef struct Holding
{
	Oid			owner;
	int			count;
	int			share;
} Holding;

static Holding *
holding_of(Holding *holdings, int *n, Oid owner, int share)
{
	int			i;

	for (i = 0; i < *n; i++)
		if (holdings[i].owner == owner)
			return &holdings[i];
	holdings[(*n)++] = (Holding) {owner, 0, share};
	return &holdings[i];
}

/*
 * Count what every role has.  Workers that were asked to leave count as gone;
 * returns how many that are.
 */
static int
look_through(SlotKind kind, Holding *holdings, int *n, int share)
{
	int			asked = 0;

	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];
		Holding    *holding;

		if (!slot->in_use || slot->kind != kind)
			continue;
		holding = holding_of(holdings, n, slot->owner, share);
		if (slot->asked)
			asked++;
		else
			holding->count++;
		if (slot->share > 0)
			holding->share = slot->share;
	}
	return asked;
}

static void
ask(Slot *slot, bool leave)
{
	slot->asked = leave;
	if (slot->proc)
		holder_ask_to_leave(slot->proc, leave);
}

/*
 * Ask the worker that began last of the role that is furthest beyond its share;
 * false where none is
 */
static bool
ask_one(SlotKind kind, Holding *holdings, int n)
{
	Holding    *worst = NULL;
	Slot	   *last = NULL;

	for (int i = 0; i < n; i++)
		if (holdings[i].count > holdings[i].share &&
			(!worst || holdings[i].count - holdings[i].share > worst->count - worst->share))
			worst = &holdings[i];
	if (!worst)
		return false;
	for (int i = 0; i < MAX_SLOTS; i++)
	{
		Slot	   *slot = &shared->slots[i];

		if (slot->in_use && slot->kind == kind && slot->owner == worst->owner && slot->proc && !slot->asked &&
			(!last || slot->batch_at > last->batch_at))
			last = slot;
	}
	if (!last)
		return false;
	ask(last, true);
	worst->count--;
	return true;
}

/*
 * So many processes could not be started for want of a worker of this kind's
 * place; 0: all is well.  `room' is how many there may be of the kind.
 */
void
shares_ask(SlotKind kind, int needed, int room)
{
	static Holding holdings[MAX_SLOTS];
	int			n = 0;
	int			share = durable_workers_per_role > 0 ? durable_workers_per_role : (room + 1) / 2;

	shared_lock(shared->directory, LW_EXCLUSIVE);
	for (int i = 0; i < MAX_SLOTS && needed == 0; i++)
		if (shared->slots[i].in_use && shared->slots[i].kind == kind && shared->slots[i].asked)
			ask(&shared->slots[i], false);
	if (needed > 0)
	{
		needed -= look_through(kind, holdings, &n, share);
		while (needed > 0 && ask_one(kind, holdings, n))
			needed--;
	}
	LWLockRelease(shared->directory);
}
