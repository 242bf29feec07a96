/*-------------------------------------------------------------------------
 *
 * client.h
 *	  The client at the other end of this session's connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_CLIENT_H
#define DURABLE_CLIENT_H

extern void client_sleep(long timeout, uint32 event);
extern void client_check(void);

#endif							/* DURABLE_CLIENT_H */
