/*-------------------------------------------------------------------------
 *
 * listener.h
 *	  Sessions that LISTEN, to workflows and to task queues.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_LISTENER_H
#define DURABLE_LISTENER_H

extern void listener_add(const char *channel);
extern void listener_remove(const char *channel);
extern void listener_end_transaction(bool commit);
extern uint32 listener_hungry(uint64 key);
extern bool listener_set_hungry(uint64 key);
extern bool listener_tell(uint64 key, uint32 notified);
extern bool listener_any_notify(void);
extern int	listener_take_notify(int from, uint64 *key);
extern int	waiting_workers(int64 topic, int64 *notified);
extern bool listener_any(void);
extern bool listener_wants(uint64 key);

#endif							/* DURABLE_LISTENER_H */
