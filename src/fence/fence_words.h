/*-------------------------------------------------------------------------
 *
 * fence_words.h
 *	  The words that are dates of their own: now, today, tomorrow, yesterday.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DURABLE_FENCE_WORDS_H
#define DURABLE_FENCE_WORDS_H

extern void words_forbid(void);
extern void words_allow(void);
extern bool words_forbidden_error(void);
extern bool words_in_literal(const char *source, int location);
extern bool offset_in_literal(const char *source, int location);

#endif							/* DURABLE_FENCE_WORDS_H */
