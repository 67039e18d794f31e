// Structured output with the SDK's own helpers, on every way that a family has to it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { CLAUDE, NOVA, client, user } from './server.mjs';

const HELD = ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'qwen.qwen3-32b-v1:0', CLAUDE, NOVA];
const ASKED = ['meta.llama3-1-8b-instruct-v1:0', 'openai.gpt-oss-20b-1:0'];

const Trip = z.object({
  city: z.string().min(1),
  days: z.number().int().positive(),
  mood: z.enum(['calm', 'wild']),
  hotel: z.object({ name: z.string() }).nullable(),
});
const format = zodResponseFormat(Trip, 'trip');

for (const model of HELD) {
  test(`${model} is held to the schema`, async () => {
    const ask = { model, messages: user('a trip'), response_format: format };
    const reply = await client.chat.completions.parse(ask);
    Trip.parse(reply.choices[0].message.parsed);
    assert.equal(reply.choices[0].finish_reason, 'stop');
    const streamed = await client.chat.completions.stream(ask).finalChatCompletion();
    assert.deepEqual(streamed.choices[0].message.parsed, reply.choices[0].message.parsed);
  });
}

for (const model of ASKED) {
  test(`the JSON is taken out of what ${model} says`, async () => {
    const said = '{"city":"Rome","days":3,"mood":"calm","hotel":null}';
    const ask = {
      model,
      messages: user('[[say:Sure:\n```json\n' + said + '\n```\nBye]] [[deltas:15]]'),
      response_format: format,
    };
    const reply = await client.chat.completions.parse(ask);
    assert.deepEqual(reply.choices[0].message.parsed, JSON.parse(said));
    const streamed = await client.chat.completions.stream(ask).finalChatCompletion();
    assert.deepEqual(streamed.choices[0].message.parsed, JSON.parse(said));
  });
}
