/*-------------------------------------------------------------------------
 *
 * taskqueue_id.c
 *	  The ids and topics of task queues.
 *
 *	  An id is a hash of namespace, name, role and kind.  It must be a
 *	  cryptographic one: whoever finds a name for a queue of his own that gives the
 *	  id of another role's queue gets the tasks in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "port/pg_bswap.h"
#include "shared/taskqueue_id.h"

static int64
hash_name(const char *namespace, const char *name, Oid owner, bool external)
{
	pg_cryptohash_ctx *sha = pg_cryptohash_create(PG_SHA256);
	uint32		head[2] = {pg_hton32(owner), pg_hton32((external ? 1 : 0) | (name ? 2 : 0))};
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	int64		id;

	if (pg_cryptohash_init(sha) < 0 ||
		pg_cryptohash_update(sha, (uint8 *) head, sizeof(head)) < 0 ||
		pg_cryptohash_update(sha, (const uint8 *) namespace, strlen(namespace) + 1) < 0 ||
		(name && pg_cryptohash_update(sha, (const uint8 *) name, strlen(name)) < 0) ||
		pg_cryptohash_final(sha, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not hash the name of a task queue: %s", pg_cryptohash_error(sha));
	pg_cryptohash_free(sha);
	memcpy(&id, digest, sizeof(id));
	return (int64) pg_ntoh64(id);
}

/*
 * The id of a queue; a NULL name is that of a role's activities without one.
 * The last ones are remembered: a hash costs as much as a small statement.
 */
int64
task_queue_id(const char *namespace, const char *name, Oid owner, bool external)
{
	static struct
	{
		bool		used;
		bool		named;
		bool		external;
		Oid			owner;
		char		namespace[NAMEDATALEN];
		char		name[NAMEDATALEN];
		int64		id;
	}			known[8];
	static int	next = 0;
	const char *key = name ? name : "";
	int64		id;

	for (int i = 0; i < lengthof(known); i++)
		if (known[i].used && known[i].owner == owner && known[i].external == external && known[i].named == (name != NULL) &&
			strcmp(known[i].name, key) == 0 && strcmp(known[i].namespace, namespace) == 0)
			return known[i].id;
	id = hash_name(namespace, name, owner, external);
	if (strlen(namespace) < NAMEDATALEN && strlen(key) < NAMEDATALEN)
	{
		strcpy(known[next].namespace, namespace);
		strcpy(known[next].name, key);
		known[next].owner = owner;
		known[next].external = external;
		known[next].named = name != NULL;
		known[next].id = id;
		known[next].used = true;
		next = (next + 1) % lengthof(known);
	}
	return id;
}

/*
 * What those who wait for tasks of a queue's name know it by
 */
int64
task_queue_topic(const char *namespace, const char *name)
{
	int64		topic = task_queue_id(namespace, name, InvalidOid, true);

	return topic != 0 ? topic : 1;
}

/*
 * The channel that who LISTENs for a queue's tasks listens to
 */
char *
task_queue_channel(int64 topic)
{
	return psprintf("wfq_%016llx", (unsigned long long) topic);
}
