/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  Starting background processes and knowing which are there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_SLOTS_H
#define DURABLE_SLOTS_H

#include "shared/shmem.h"

extern bool slot_start(SlotKind kind, Oid dbid, Oid owner, int queue);
extern Slot *slot_attach(int index);
extern void slot_pin_settings(const char *application_name);
extern void slot_leave_if_idle(Slot *slot);
extern void slot_rest(Slot *slot, Database *db, bool (*busy) (void));
extern bool slot_exists(SlotKind kind, Oid dbid);
extern int	slot_count(SlotKind kind);
extern void slots_reclaim(bool all);
extern int	slots_terminate(Oid dbid);
extern void slots_forget_database(Oid dbid, bool force);

#endif							/* DURABLE_SLOTS_H */
