// JSON from models that can only be asked for it, taken out of their words.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { GPT_OSS, LLAMA, client, user } from './server.mjs';

const response_format = zodResponseFormat(z.object({ city: z.string().min(1), days: z.number().int().positive() }), 'trip');

for (const model of [LLAMA, GPT_OSS]) {
  test(`the JSON is taken out of what ${model} says`, async () => {
    const said = '{"city":"Rome","days":3}';
    const messages = user('[[say:Sure:\n```json\n' + said + '\n```\nBye]] [[deltas:15]]');
    const reply = await client.chat.completions.parse({ model, messages, response_format });
    assert.deepEqual(reply.choices[0].message.parsed, JSON.parse(said));
    const streamed = await client.chat.completions.stream({ model, messages, response_format }).finalChatCompletion();
    assert.deepEqual(streamed.choices[0].message.parsed, JSON.parse(said));
  });
}
