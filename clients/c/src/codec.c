/*-------------------------------------------------------------------------
 *
 * codec.c
 *	  Payload codecs, and one that encrypts with AES-256-GCM.
 *
 *-------------------------------------------------------------------------
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define CODEC_NAME	"aes-256-gcm"
#define ASSOCIATED	"durable"
#define IV_BYTES	12
#define TAG_BYTES	16

typedef struct GcmKey
{
	char	   *id;
	unsigned char key[DURABLE_AES_KEY_BYTES];
} GcmKey;

/* The first key encrypts, any of them decrypts. */
typedef struct Gcm
{
	GcmKey	   *keys;
	int			count;
} Gcm;

char *
durable_encode(const DurableCodec *codec, const char *json, DurableError *error)
{
	DurableError ignored;

	return codec == NULL ? dw_strdup(json) : codec->encode(codec->arg, json, error ? error : &ignored);
}

char *
durable_decode(const DurableCodec *codec, const char *json, DurableError *error)
{
	DurableError ignored;

	return codec == NULL ? dw_strdup(json) : codec->decode(codec->arg, json, error ? error : &ignored);
}

void
durable_codec_free(DurableCodec *codec)
{
	if (codec == NULL)
		return;
	if (codec->free_arg != NULL)
		codec->free_arg(codec->arg);
	free(codec);
}

static char *
to_base64(const unsigned char *data, int len)
{
	char	   *text = dw_alloc((size_t) (len + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *) text, data, len);
	return text;
}

/*
 * NULL where the text is not base64
 */
static unsigned char *
from_base64(const char *text, int *len)
{
	size_t		chars = strlen(text);
	unsigned char *data = dw_alloc(chars / 4 * 3 + 1);

	*len = EVP_DecodeBlock(data, (const unsigned char *) text, (int) chars);
	if (*len < 0)
	{
		free(data);
		return NULL;
	}
	for (size_t i = chars; i > 0 && text[i - 1] == '='; i--)	/* it counts the padding as data */
		--*len;
	return data;
}

/*
 * Encrypt `len' bytes to `len' bytes and the tag
 */
static bool
seal(const GcmKey *key, const unsigned char *iv, const unsigned char *plain, int len, unsigned char *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int			n;
	bool		ok;

	ok = ctx != NULL &&
		EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->key, iv) &&
		EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *) ASSOCIATED, strlen(ASSOCIATED)) &&
		EVP_EncryptUpdate(ctx, out, &n, plain, len) &&
		EVP_EncryptFinal_ex(ctx, out + len, &n) &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, out + len);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/*
 * The reverse; `len' does not count the tag
 */
static bool
unseal(const GcmKey *key, const unsigned char *iv, unsigned char *data, int len, unsigned char *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int			n;
	bool		ok;

	ok = ctx != NULL &&
		EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->key, iv) &&
		EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *) ASSOCIATED, strlen(ASSOCIATED)) &&
		EVP_DecryptUpdate(ctx, out, &n, data, len) &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, data + len) &&
		EVP_DecryptFinal_ex(ctx, out + len, &n) > 0;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static char *
gcm_encode(void *arg, const char *json, DurableError *error)
{
	const Gcm  *gcm = arg;
	int			len = (int) strlen(json);
	unsigned char iv[IV_BYTES];
	unsigned char *data = dw_alloc((size_t) len + TAG_BYTES);
	char	   *kid,
			   *iv64,
			   *data64;
	Text		payload;

	if (RAND_bytes(iv, IV_BYTES) != 1 || !seal(&gcm->keys[0], iv, (const unsigned char *) json, len, data))
	{
		free(data);
		dw_error(error, "", "cannot encrypt a payload");
		return NULL;
	}
	kid = durable_json_quote(gcm->keys[0].id);
	iv64 = to_base64(iv, IV_BYTES);
	data64 = to_base64(data, len + TAG_BYTES);
	fprintf(dw_text_open(&payload), "{\"__codec\": \"" CODEC_NAME "\", \"kid\": %s, \"iv\": \"%s\", \"data\": \"%s\"}",
			kid, iv64, data64);
	free(data);
	free(kid);
	free(iv64);
	free(data64);
	return dw_text_close(&payload);
}

static const GcmKey *
find_key(const Gcm *gcm, const char *id)
{
	for (int i = 0; id != NULL && i < gcm->count; i++)
	{
		if (strcmp(gcm->keys[i].id, id) == 0)
			return &gcm->keys[i];
	}
	return NULL;
}

/*
 * Decrypt from base64; NULL where anything at all is wrong
 */
static char *
open_sealed(const GcmKey *key, const char *iv64, const char *data64)
{
	int			iv_len = 0,
				len = 0;
	unsigned char *iv = iv64 ? from_base64(iv64, &iv_len) : NULL;
	unsigned char *data = data64 ? from_base64(data64, &len) : NULL;
	char	   *json = NULL;

	if (iv != NULL && data != NULL && iv_len == IV_BYTES && len >= TAG_BYTES)
	{
		json = dw_alloc((size_t) (len - TAG_BYTES) + 1);
		if (!unseal(key, iv, data, len - TAG_BYTES, (unsigned char *) json))
		{
			free(json);
			json = NULL;
		}
	}
	free(iv);
	free(data);
	return json;
}

static char *
gcm_decode(void *arg, const char *payload, DurableError *error)
{
	char	   *codec = durable_json_string(payload, "__codec");
	char	   *kid,
			   *iv,
			   *data;
	const GcmKey *key;
	char	   *json = NULL;

	if (codec == NULL)
		return dw_strdup(payload);
	kid = durable_json_string(payload, "kid");
	iv = durable_json_string(payload, "iv");
	data = durable_json_string(payload, "data");
	if (strcmp(codec, CODEC_NAME) != 0)
		dw_error(error, "", "a payload is encoded with \"%s\", not with " CODEC_NAME, codec);
	else if ((key = find_key(arg, kid)) == NULL)
		dw_error(error, "", "there is no key \"%s\" to decrypt a payload with", kid ? kid : "");
	else if ((json = open_sealed(key, iv, data)) == NULL)
		dw_error(error, "", "a payload does not decrypt with key \"%s\"", kid);
	free(codec);
	free(kid);
	free(iv);
	free(data);
	return json;
}

static void
gcm_free(void *arg)
{
	Gcm		   *gcm = arg;

	for (int i = 0; i < gcm->count; i++)
		free(gcm->keys[i].id);
	OPENSSL_cleanse(gcm->keys, (size_t) gcm->count * sizeof(GcmKey));
	free(gcm->keys);
	free(gcm);
}

DurableCodec *
durable_codec_aes_gcm_new(const unsigned char key[DURABLE_AES_KEY_BYTES], const char *keyid)
{
	DurableCodec *codec = dw_alloc(sizeof(DurableCodec));

	codec->encode = gcm_encode;
	codec->decode = gcm_decode;
	codec->free_arg = gcm_free;
	codec->arg = dw_alloc(sizeof(Gcm));
	durable_codec_aes_gcm_add(codec, key, keyid);
	return codec;
}

void
durable_codec_aes_gcm_add(DurableCodec *codec, const unsigned char key[DURABLE_AES_KEY_BYTES], const char *keyid)
{
	Gcm		   *gcm = codec->arg;
	GcmKey	   *keys = dw_alloc((size_t) (gcm->count + 1) * sizeof(GcmKey));

	if (gcm->count > 0)
	{
		memcpy(keys, gcm->keys, (size_t) gcm->count * sizeof(GcmKey));
		OPENSSL_cleanse(gcm->keys, (size_t) gcm->count * sizeof(GcmKey));
		free(gcm->keys);
	}
	memcpy(keys[gcm->count].key, key, DURABLE_AES_KEY_BYTES);
	keys[gcm->count].id = dw_strdup(keyid);
	gcm->keys = keys;
	gcm->count++;
}
