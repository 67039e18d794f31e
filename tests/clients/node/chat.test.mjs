// Chats, whole and streamed, over every format.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { ALL_MODELS, CLAUDE, NOVA, ONE_OF_EACH, PDF, RICH_MODELS, client, collect, counted, png, user } from './server.mjs';

for (const model of ALL_MODELS) {
  test(`a chat is answered by ${model}`, async () => {
    const reply = await client.chat.completions.create({ model, messages: user('Say hello, wörld 🌍') });
    assert.equal(reply.object, 'chat.completion');
    assert.equal(reply.model, model);
    assert.equal(reply.choices[0].message.content, 'Say hello, wörld 🌍');
    assert.equal(reply.choices[0].finish_reason, 'stop');
    assert.ok(reply.usage.prompt_tokens > 0);
    assert.equal(reply.usage.total_tokens, reply.usage.prompt_tokens + reply.usage.completion_tokens);
  });

  test(`a streamed chat is answered by ${model}`, async () => {
    const text = 'A somewhat longer text, wörld 🌍, which comes in several pieces';
    const ask = { model, messages: user(text), stream: true, stream_options: { include_usage: true } };
    const said = await collect(await client.chat.completions.create(ask));
    assert.equal(said.text, text);
    assert.deepEqual(said.finishReasons, ['stop']);
    assert.equal(said.chunks[0].choices[0].delta.role, 'assistant');
    assert.equal(new Set(said.chunks.map((chunk) => chunk.id)).size, 1);
    assert.deepEqual(said.chunks.at(-1).choices, []);
    assert.ok(said.chunks.at(-1).usage.total_tokens > 0);
    assert.ok(said.chunks.slice(0, -1).every((chunk) => chunk.usage === null));
  });
}

for (const model of ONE_OF_EACH) {
  test(`the streaming helper assembles the same reply from ${model}`, async () => {
    const ask = { model, messages: user('[[deltas:5]] One text, two ways to receive it') };
    const whole = await client.chat.completions.create(ask);
    const deltas = [];
    const stream = client.chat.completions.stream(ask).on('content', (delta) => delta && deltas.push(delta));
    const final = await stream.finalChatCompletion();
    assert.equal(deltas.join(''), 'One text, two ways to receive it');
    assert.equal(deltas.length, 5);
    assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
    assert.equal(final.choices[0].finish_reason, 'stop');
  });

  test(`instructions are part of the prompt of ${model}`, async () => {
    const alone = await client.chat.completions.create({ model, messages: user('hi') });
    for (const role of ['system', 'developer']) {
      const content = 'Answer in the shortest way that is still polite. '.repeat(20);
      const reply = await client.chat.completions.create({ model, messages: [{ role, content }, ...user('hi')] });
      assert.ok(reply.usage.prompt_tokens > alone.usage.prompt_tokens + 100);
    }
  });

  test(`a stop text ends the reply of ${model}`, async () => {
    const ask = { model, messages: user('one two three four'), stop: ['three'] };
    const reply = await client.chat.completions.create(ask);
    assert.equal(reply.choices[0].message.content.trimEnd(), 'one two');
    assert.equal(reply.choices[0].finish_reason, 'stop');
  });
}

for (const model of ONE_OF_EACH) {
  test(`several choices of ${model} share a stream`, async () => {
    const texts = ['', '', ''];
    const finishReasons = [];
    const ask = { model, messages: user('say it thrice'), n: 3, stream: true };
    for await (const { choices } of await client.chat.completions.create(ask)) {
      for (const { index, delta, finish_reason } of choices) {
        texts[index] += delta.content ?? '';
        if (finish_reason) finishReasons.push(finish_reason);
      }
    }
    assert.deepEqual(texts.map((text) => text.trim()), Array(3).fill('say it thrice'));
    assert.deepEqual(finishReasons, Array(3).fill('stop'));
  });

  test(`strict mode refuses what would be changed for ${model}`, async () => {
    const ask = { model, messages: user('hi'), seed: 7 };
    const noted = await client.chat.completions.create(ask).withResponse();
    assert.match(noted.response.headers.get('x-outcrop-notes'), /seed:dropped/);
    const refused = client.chat.completions.create(ask, { headers: { 'x-outcrop-strict': 'true' } });
    await assert.rejects(refused, (caught) => caught instanceof OpenAI.BadRequestError && caught.param === 'seed');
  });
}

for (const model of RICH_MODELS) {
  test(`a picture reaches ${model}`, async () => {
    const messages = user([{ type: 'image_url', image_url: { url: png() } }]);
    const reply = await client.chat.completions.create({ model, messages });
    // The simulator answers a picture without a text with what it saw.
    assert.match(reply.choices[0].message.content, /png/);
  });

  test(`a file reaches ${model}`, async () => {
    const file = { type: 'file', file: { filename: 'report.pdf', file_data: PDF } };
    const messages = user([file, { type: 'text', text: 'What does it say?' }]);
    const reply = await client.chat.completions.create({ model, messages });
    assert.match(reply.choices[0].message.content, /What does it say\?/);
  });

  test(`cached tokens are part of the prompt of ${model}`, async () => {
    const messages = user('[[usage input=7 output=5 cache_read=100 cache_write=20]] hello');
    const { usage } = await client.chat.completions.create({ model, messages });
    assert.equal(usage.prompt_tokens, 127);
    assert.equal(usage.completion_tokens, 5);
    assert.equal(usage.total_tokens, 132);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 100);
  });
}

test('the SDK sees which request it was', async () => {
  const { client, responses } = counted({ defaultHeaders: { 'x-request-id': 'my-own-id' } });
  const reply = await client.chat.completions.create({ model: CLAUDE, messages: user('hi') });
  assert.equal(reply._request_id, 'my-own-id');
  assert.equal(responses[0].headers.get('x-outcrop-simulated'), 'true');
  assert.ok(responses[0].headers.get('x-outcrop-upstream-request-id'));
});

test('an aborted stream leaves the server well', async () => {
  const stream = await client.chat.completions.create({
    model: NOVA,
    messages: user(`[[deltas:50]] ${'word '.repeat(100)}`),
    stream: true,
  });
  for await (const chunk of stream) {
    assert.ok(chunk.id);
    stream.controller.abort();
  }
  const reply = await client.chat.completions.create({ model: NOVA, messages: user('still there?') });
  assert.equal(reply.choices[0].message.content, 'still there?');
});
