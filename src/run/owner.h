/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  Giving runs to another role.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_OWNER_H
#define DURABLE_OWNER_H

#include "store/find.h"

extern bool run_change_owner(const Found *run, Oid owner, bool *closed_meanwhile);
extern void mail_readdress(const pg_uuid_t *run_id, Oid owner);

#endif							/* DURABLE_OWNER_H */
