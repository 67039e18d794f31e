// What the SDK's helpers make of replies in JSON: parsed whole, parsed as they come, or not parsed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import {
  CLAUDE, CLAUDE_OVER_CONVERSE, GPT_OSS, LLAMA, MISTRAL, NOVA, NOVA_2, QWEN, THINKING_CLAUDE, client, user,
} from './server.mjs';

const Stop = z.object({ city: z.string().describe('Where to stay'), nights: z.number().int().min(1) });
const Trip = z.object({
  title: z.string(),
  season: z.enum(['summer', 'winter']),
  stops: z.array(Stop),
  budget: z.number().nullable(),
});
const response_format = zodResponseFormat(Trip, 'trip');
const ROME = { title: 'Rome 🌍', season: 'winter', stops: [{ city: 'Rome', nights: 3 }], budget: null };

for (const model of [THINKING_CLAUDE, QWEN, CLAUDE, CLAUDE_OVER_CONVERSE, NOVA, NOVA_2, MISTRAL, GPT_OSS]) {
  test(`the SDK parses an instance of the schema from ${model}`, async () => {
    const reply = await client.chat.completions.parse({ model, messages: user('Plan a journey'), response_format });
    assert.deepEqual(Trip.parse(reply.choices[0].message.parsed), reply.choices[0].message.parsed);
    assert.equal(reply.choices[0].finish_reason, 'stop');
  });

  test(`the streaming helper parses what ${model} says`, async () => {
    const stream = client.chat.completions.stream({ model, messages: user('Plan a journey'), response_format });
    let deltas = '';
    stream.on('content.delta', ({ delta }) => { deltas += delta; });
    const final = await stream.finalChatCompletion();
    assert.deepEqual(Trip.parse(JSON.parse(deltas)), final.choices[0].message.parsed);
    assert.equal(final.choices[0].finish_reason, 'stop');
  });
}

for (const model of [THINKING_CLAUDE, QWEN, LLAMA, GPT_OSS]) {
  test(`what ${model} says is what is parsed`, async () => {
    const messages = user(JSON.stringify(ROME));
    const reply = await client.chat.completions.parse({ model, messages, response_format });
    assert.deepEqual(reply.choices[0].message.parsed, ROME);
  });
}

for (const model of [THINKING_CLAUDE, CLAUDE, NOVA, GPT_OSS]) {
  test(`JSON of ${model} that is cut at the limit is not parsed`, async () => {
    const ask = { model, messages: user('Plan a journey'), response_format, max_completion_tokens: 6 };
    await assert.rejects(client.chat.completions.parse(ask), OpenAI.LengthFinishReasonError);
  });

  test(`the arguments of ${model} are parsed`, async () => {
    const tools = [zodFunction({ name: 'book', parameters: Stop })];
    const messages = user('[[tool:book {"city":"Rome","nights":3}]]');
    const reply = await client.chat.completions.parse({ model, messages, tools });
    assert.deepEqual(reply.choices[0].message.tool_calls[0].function.parsed_arguments, { city: 'Rome', nights: 3 });
  });
}
