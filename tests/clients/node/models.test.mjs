// The list of models, and one of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { MODELS, NOVA, client } from './server.mjs';

test('the list has the catalogue', async () => {
  const ids = [];
  for await (const model of client.models.list()) {
    assert.equal(model.object, 'model');
    ids.push(model.id);
  }
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.includes(NOVA));
});

for (const model of [NOVA, ...MODELS.profiles, 'arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0']) {
  test(`${model} can be retrieved`, async () => {
    assert.equal((await client.models.retrieve(model)).id, model);
  });
}

test('an unknown model is not found', async () => {
  await assert.rejects(client.models.retrieve('no-such-model'), OpenAI.NotFoundError);
});
