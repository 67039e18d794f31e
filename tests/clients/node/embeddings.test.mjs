// Vectors: as the SDK asks for them by itself, as numbers, in every length; and what it throws.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { NOVA, client, counted } from './server.mjs';

const TITAN = 'amazon.titan-embed-text-v2:0';
const TEXTS = Array.from({ length: 100 }, (_, number) => `text number ${number}`);

for (const [model, length] of [
  ['amazon.titan-embed-text-v1', 1536],
  [TITAN, 1024],
  ['cohere.embed-english-v3', 1024],
  ['cohere.embed-v4:0', 1536],
  ['amazon.nova-2-multimodal-embeddings-v1:0', 3072],
]) {
  test(`${model} embeds one text and many`, async () => {
    const one = await client.embeddings.create({ model, input: TEXTS[7] });
    const many = await client.embeddings.create({ model, input: TEXTS });
    assert.equal(one.model, model);
    assert.deepEqual(many.data.map((item) => item.index), TEXTS.map((_, index) => index));
    assert.ok(many.data.every((item) => item.embedding.length === length));
    assert.deepEqual(many.data[7].embedding, one.data[0].embedding);
    assert.equal(one.usage.prompt_tokens, one.usage.total_tokens);
    assert.ok(many.usage.total_tokens > one.usage.total_tokens);
  });
}

test('numbers are what base64 says', async () => {
  const request = { model: TITAN, input: 'hello', dimensions: 256 };
  const byItself = (await client.embeddings.create(request)).data[0].embedding;
  const numbers = (await client.embeddings.create({ ...request, encoding_format: 'float' })).data[0].embedding;
  assert.equal(byItself.length, 256);
  assert.deepEqual(Array.from(byItself), numbers.map(Math.fround));
});

for (const [over, param] of [
  [{ input: [] }, 'input'],
  [{ input: [1, 2, 100256] }, 'input[2]'],
  [{ dimensions: 300 }, 'dimensions'],
  [{ model: NOVA }, 'model'],
]) {
  test(`${JSON.stringify(over)} is refused by name`, async () => {
    await assert.rejects(client.embeddings.create({ model: TITAN, input: 'hi', ...over }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, param);
      return true;
    });
  });
}

test('blank texts and tokens are embedded as well', async () => {
  const { data, response } = await client.embeddings.create({ model: TITAN, input: ['a', '', 'c'] }).withResponse();
  assert.equal(data.data.length, 3);
  assert.match(response.headers.get('x-outcrop-notes'), /input\[1\]:rewritten/);
  const [tokens, text] = await Promise.all(
    [[15339, 1917], 'hello world'].map((input) => client.embeddings.create({ model: TITAN, input })),
  );
  assert.deepEqual(tokens.data[0].embedding, text.data[0].embedding);
});

test('one text that fails fails them all, and is not sent again', async () => {
  const patient = counted({ maxRetries: 2 });
  const input = ['a', '[[error:serviceUnavailableException]]'];
  await assert.rejects(patient.client.embeddings.create({ model: TITAN, input }), OpenAI.InternalServerError);
  assert.equal(patient.responses.length, 1);
});
