/*-------------------------------------------------------------------------
 *
 * identity.h
 *	  Is this the database its runs were started in?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_IDENTITY_H
#define DURABLE_IDENTITY_H

extern bool durable_identity_matches(void);
extern bool durable_identity_holds(void);
extern void durable_note_replicated(void);
extern void durable_claim_identity(void);
extern void durable_check_enabled(void);
extern void durable_check_identity(void);
extern bool durable_adopt_identity(void);

#endif							/* DURABLE_IDENTITY_H */
