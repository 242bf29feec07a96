/*
 * unit.c
 *	  What can be tested without a server: JSON, arrays, codecs, options.
 */
#include <stdlib.h>
#include <string.h>

#include "../src/internal.h"

static int	failures;

static void
check(bool ok, const char *name)
{
	printf("%s %s\n", ok ? "ok" : "not ok", name);
	failures += !ok;
}

/* Compares a text, which it frees, with what it should be. */
static void
check_text(char *text, const char *expected, const char *name)
{
	bool		same = text == NULL || expected == NULL ? text == expected : strcmp(text, expected) == 0;

	check(same, name);
	if (!same)
		fprintf(stderr, "%s: got %s, not %s\n", name, text ? text : "(null)", expected ? expected : "(null)");
	free(text);
}

static void
test_json(void)
{
	const char *json = " {\"a\": {\"b\": [1, \"}\", {}]}, \"n\": 1, \"x\\u0041\\\"\": \"t\\n\\u00e9\\ud83d\\ude00\\/\"} ";

	check_text(durable_json_quote("a\"b\\c\n\x01\xc3\xa9"), "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9\"", "json quote");
	check_text(durable_json_string(json, "xA\""), "t\n\xc3\xa9\xf0\x9f\x98\x80/", "json string");
	check_text(durable_json_string(json, "n"), NULL, "json number is no string");
	check_text(durable_json_string(json, "b"), NULL, "json nested key is not found");
	check_text(durable_json_string("[\"a\", \"b\"]", "a"), NULL, "json array has no keys");
	check_text(durable_json_string("{}", "a"), NULL, "json empty object");
}

/* Every cut of a text must be survived: valgrind sees whether it is overrun. */
static void
test_malformed_json(void)
{
	const char *json = "{\"a\\u00e9\": [\"x\\\"\", {\"y\": 1}], \"key\": \"v\\ud83d\\ude00\\\\\"}";
	int			found = 0;

	for (size_t len = 0; len <= strlen(json); len++)
	{
		char	   *cut = strndup(json, len);
		char	   *value = durable_json_string(cut, "key");

		found += value != NULL;
		free(value);
		free(cut);
	}
	check(found == 2, "json malformed");	/* whole, and without the last brace */
}

static void
test_array(void)
{
	const char *elements[] = {"plain", "q\"b\\", NULL, ""};

	check_text(dw_array(elements, 4), "{\"plain\",\"q\\\"b\\\\\",NULL,\"\"}", "array");
	check_text(dw_array(elements, 0), "{}", "array empty");
}

static void
make_key(unsigned char key[DURABLE_AES_KEY_BYTES], unsigned char first)
{
	for (int i = 0; i < DURABLE_AES_KEY_BYTES; i++)
		key[i] = (unsigned char) (first + i);
}

static void
check_refused(const DurableCodec *codec, const char *payload, const char *message, const char *name)
{
	DurableError error = {"", ""};
	char	   *json = durable_decode(codec, payload, &error);

	check(json == NULL && strcmp(error.message, message) == 0, name);
	if (strcmp(error.message, message) != 0)
		fprintf(stderr, "%s: got %s\n", name, error.message);
	free(json);
}

static void
test_codec(void)
{
	/* made with another implementation: Python's cryptography */
	const char *foreign = "{\"iv\": \"ZGVmZ2hpamtsbW5v\", \"kid\": \"k1\", \"data\": "
		"\"Mzm9BwuNdKQeQGva7ldI0WLgaGvmCdFIh/P2JzgIhzXUASA6qcZ9MWpzEn3y5hcG\", \"__codec\": \"aes-256-gcm\"}";
	const char *plain = "{\"card\": \"4242\", \"name\": \"Zo\xc3\xab\"}";
	unsigned char key[DURABLE_AES_KEY_BYTES];
	DurableCodec *codec;
	DurableCodec *other;
	char	   *encoded;
	char	   *again;

	make_key(key, 0);
	codec = durable_codec_aes_gcm_new(key, "k1");
	make_key(key, 7);
	other = durable_codec_aes_gcm_new(key, "k1");

	check_text(durable_decode(codec, foreign, NULL), plain, "codec reads Python's");
	encoded = durable_encode(codec, plain, NULL);
	again = durable_encode(codec, plain, NULL);
	check(strstr(encoded, "4242") == NULL && strcmp(encoded, again) != 0, "codec encrypts, each time differently");
	check_text(durable_decode(codec, encoded, NULL), plain, "codec round trip");
	free(again);
	again = durable_encode(codec, "", NULL);
	check_text(durable_decode(codec, again, NULL), "", "codec empty text");
	check_text(durable_decode(codec, "{\"a\": 1}", NULL), "{\"a\": 1}", "codec passes plain payloads");
	check_text(durable_decode(NULL, encoded, NULL), encoded, "codec none");
	check_refused(other, encoded, "a payload does not decrypt with key \"k1\"", "codec wrong key");
	check_refused(codec, "{\"__codec\": \"rot13\"}",
				  "a payload is encoded with \"rot13\", not with aes-256-gcm", "codec other codec");
	check_refused(codec, "{\"__codec\": \"aes-256-gcm\", \"kid\": \"k1\", \"iv\": \"??\", \"data\": \"AAAA\"}",
				  "a payload does not decrypt with key \"k1\"", "codec malformed");

	free(encoded);
	free(again);
	durable_codec_free(codec);
	durable_codec_free(other);
}

static void
test_codec_rotation(void)
{
	unsigned char key[DURABLE_AES_KEY_BYTES];
	DurableCodec *before,
			   *after;
	char	   *old,
			   *new;

	make_key(key, 1);
	before = durable_codec_aes_gcm_new(key, "2025");
	old = durable_encode(before, "[1]", NULL);
	make_key(key, 2);
	after = durable_codec_aes_gcm_new(key, "2026");
	check_refused(after, old, "there is no key \"2025\" to decrypt a payload with", "codec unknown key");
	make_key(key, 1);
	durable_codec_aes_gcm_add(after, key, "2025");
	check_text(durable_decode(after, old, NULL), "[1]", "codec rotation reads the old key");
	new = durable_encode(after, "[1]", NULL);
	check_text(durable_json_string(new, "kid"), "2026", "codec rotation writes the new key");

	free(old);
	free(new);
	durable_codec_free(before);
	durable_codec_free(after);
}

static void
test_options(void)
{
	DurableError error;

	check(durable_worker_new(&(DurableWorkerOptions) {.slots = 1}, &error) == NULL &&
		  strcmp(error.message, "a worker needs a task queue") == 0, "options no queue");
	check(durable_worker_new(&(DurableWorkerOptions) {.task_queue = "q", .conninfo = "nonsense=1"}, &error) == NULL &&
		  strcmp(error.message, "invalid connection option \"nonsense\"") == 0, "options bad conninfo");
}

/* A stop that comes first is not forgotten. */
static void
test_early_stop(void)
{
	DurableWorker *worker = durable_worker_new(&(DurableWorkerOptions) {.task_queue = "q",
												   .conninfo = "host=/nonexistent"}, NULL);
	DurableError error;

	durable_worker_stop(worker);
	check(durable_worker_run(worker, &error) == 0, "stop before run");
	check(durable_worker_run(worker, &error) == -1 && strcmp(error.message, "a worker runs once") == 0, "run twice");
	durable_worker_free(worker);
}

int
main(void)
{
	test_json();
	test_malformed_json();
	test_array();
	test_codec();
	test_codec_rotation();
	test_options();
	test_early_stop();
	return failures ? 1 : 0;
}
