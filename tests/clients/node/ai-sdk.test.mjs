// Vercel's AI SDK over its provider for OpenAI-compatible servers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, embed, embedMany, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { GPT_OSS, KEY, NOVA, PDF, THINKING_CLAUDE, URL, png } from './server.mjs';

const outcrop = createOpenAICompatible({
  name: 'outcrop',
  baseURL: `${URL}/v1`,
  apiKey: KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const PARIS = '[[tool:get_weather {"city":"Paris"}]]';
const Trip = z.object({ city: z.string(), season: z.enum(['summer', 'winter']), days: z.number().int() });

/** A tool, and what it was asked. */
function weather() {
  const asked = [];
  const get_weather = tool({
    description: "Today's weather in a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return `${city} is sunny`;
    },
  });
  return { asked, tools: { get_weather }, stopWhen: stepCountIs(5) };
}

/** What a stream's errors are: the SDK reports them aside. */
async function streamed(options) {
  const errors = [];
  const result = streamText({ maxRetries: 0, ...options, onError: ({ error }) => { errors.push(error); } });
  const parts = [];
  for await (const part of result.fullStream) parts.push(part);
  assert.deepEqual(errors, []);
  return { result, parts };
}

for (const id of [THINKING_CLAUDE, NOVA, GPT_OSS]) {
  const model = outcrop(id);

  test(`generateText has the text and usage of ${id}`, async () => {
    const said = await generateText({ model, maxRetries: 0, system: 'Be brief.', prompt: 'Say hello, wörld 🌍' });
    assert.equal(said.text, 'Say hello, wörld 🌍');
    assert.equal(said.finishReason, 'stop');
    assert.ok(said.usage.inputTokens > 0);
    assert.equal(said.usage.totalTokens, said.usage.inputTokens + said.usage.outputTokens);
    assert.deepEqual(said.warnings, []);
  });

  test(`streamText has the text and usage of ${id}`, async () => {
    const { result, parts } = await streamed({ model, prompt: '[[deltas:5]] One text in several pieces' });
    assert.equal(parts.filter(({ type }) => type === 'text-delta').length, 5);
    assert.equal((await result.text).trim(), 'One text in several pieces');
    assert.equal(await result.finishReason, 'stop');
    assert.ok((await result.usage).totalTokens > 0);
  });

  test(`generateText carries ${id} through the steps of a tool loop`, async () => {
    const { asked, ...options } = weather();
    const said = await generateText({ model, maxRetries: 0, prompt: `Weather? ${PARIS}`, ...options });
    assert.match(said.text, /Paris is sunny/);
    assert.deepEqual(asked, ['Paris']);
    assert.deepEqual(said.steps.map(({ finishReason }) => finishReason), ['tool-calls', 'stop']);
  });

  test(`streamText carries ${id} through the steps of a tool loop`, async () => {
    const { asked, ...options } = weather();
    const { result, parts } = await streamed({ model, prompt: `Weather? ${PARIS}`, ...options });
    assert.match(await result.text, /Paris is sunny/);
    assert.deepEqual(asked, ['Paris']);
    assert.equal((await result.steps).length, 2);
    assert.ok(parts.some(({ type }) => type === 'tool-input-delta'));
  });

  test(`generateText gives an object of ${id}`, async () => {
    const said = await generateText({ model, maxRetries: 0, prompt: 'Plan it', output: Output.object({ schema: Trip }) });
    assert.deepEqual(Trip.parse(said.output), said.output);
  });

  test(`streamText gives an object of ${id}`, async () => {
    const result = streamText({ model, maxRetries: 0, prompt: 'Plan it', output: Output.object({ schema: Trip }) });
    const partial = [];
    for await (const object of result.partialOutputStream) partial.push(object);
    assert.deepEqual(Trip.parse(await result.output), partial.at(-1));
  });

  test(`streamText gives the elements of an array of ${id}`, async () => {
    const result = streamText({ model, maxRetries: 0, prompt: 'Plan it', output: Output.array({ element: Trip }) });
    assert.ok(Array.isArray(await result.output));
  });

  test(`an error of ${id} is an APICallError that says whether to try again`, async () => {
    const failed = generateText({ model, maxRetries: 0, prompt: '[[error:accessDeniedException]]' });
    await assert.rejects(failed, (error) => APICallError.isInstance(error) && error.statusCode === 403 && !error.isRetryable);
  });

  test(`a stream of ${id} that breaks never looks complete`, async () => {
    const errors = [];
    const prompt = '[[deltas:8]] [[cut after=2]] a text that is long enough to be cut in the middle';
    const result = streamText({ model, maxRetries: 0, prompt, onError: ({ error }) => { errors.push(error); } });
    const finishes = [];
    for await (const part of result.fullStream) if (part.type === 'finish') finishes.push(part.finishReason);
    assert.ok(errors.length > 0);
    assert.ok(finishes.every((reason) => reason === 'error'));
  });
}

for (const id of [THINKING_CLAUDE, GPT_OSS]) {
  test(`the thoughts of ${id} are reasoning, and survive a tool loop`, async () => {
    const { asked, ...options } = weather();
    const said = await generateText({
      model: outcrop(id),
      maxRetries: 0,
      prompt: `[[reasoning:where is that?]] Weather? ${PARIS}`,
      providerOptions: { outcrop: { reasoningEffort: 'low' } },
      ...options,
    });
    assert.equal(said.steps[0].reasoningText, 'where is that?');
    assert.match(said.text, /Paris is sunny/);
    assert.deepEqual(asked, ['Paris']);
  });

  test(`the thoughts of ${id} are streamed as reasoning`, async () => {
    const { parts } = await streamed({
      model: outcrop(id),
      prompt: '[[reasoning:because]] therefore',
      providerOptions: { outcrop: { reasoningEffort: 'low' } },
    });
    const of = (kind) => parts.filter(({ type }) => type === kind).map(({ text }) => text).join('').trim();
    assert.deepEqual([of('reasoning-delta'), of('text-delta')], ['because', 'therefore']);
  });
}

for (const id of [THINKING_CLAUDE, NOVA]) {
  test(`a picture and a file reach ${id}`, async () => {
    const content = [
      { type: 'text', text: 'What is there?' },
      { type: 'file', data: png(), mediaType: 'image/png' },
      { type: 'file', data: PDF, mediaType: 'application/pdf', filename: 'report.pdf' },
    ];
    const said = await generateText({ model: outcrop(id), maxRetries: 0, messages: [{ role: 'user', content }] });
    assert.match(said.text, /What is there\?/);
  });
}

test('embed and embedMany have vectors', async () => {
  const model = outcrop.embeddingModel('amazon.titan-embed-text-v2:0');
  const one = await embed({ model, value: 'a text', maxRetries: 0 });
  assert.equal(one.embedding.length, 1024);
  const many = await embedMany({ model, values: ['a text', 'another'], maxRetries: 0 });
  assert.deepEqual(many.embeddings[0], one.embedding);
  assert.equal(many.embeddings.length, 2);
  assert.ok(many.usage.tokens > 0);
});
