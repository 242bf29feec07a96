/*-------------------------------------------------------------------------
 *
 * write.h
 *	  What a batch of turns leaves behind is written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_WRITE_H
#define DURABLE_WRITE_H

#include "batch/outbox.h"

extern bool batch_write(Batch *batch);

#endif							/* DURABLE_WRITE_H */
