// Thoughts: asked for with `reasoning_effort`, shown in `reasoning_content`, and kept through the tool runner's loop.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GPT_OSS, NOVA_2, QWEN, THINKING_CLAUDE, WEATHER, client, counted, user } from './server.mjs';

for (const model of [THINKING_CLAUDE, NOVA_2, GPT_OSS, QWEN]) {
  test(`the thoughts of ${model} come beside the text`, async () => {
    const ask = { model, messages: user('[[reasoning:because]] therefore'), reasoning_effort: 'low' };
    const { message } = (await client.chat.completions.create(ask)).choices[0];
    assert.deepEqual([message.reasoning_content, message.content], ['because', 'therefore']);
    let [thoughts, text] = ['', ''];
    for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
      thoughts += chunk.choices[0].delta.reasoning_content ?? '';
      text += chunk.choices[0].delta.content ?? '';
    }
    assert.deepEqual([thoughts, text], ['because', 'therefore']);
  });

  for (const stream of [false, true]) {
    test(`${model} thinks through the loop of a tool runner, ${stream ? 'streamed' : 'whole'}`, async () => {
      const { client, responses } = counted();
      const runner = client.chat.completions.runTools({
        model,
        stream,
        reasoning_effort: 'low',
        messages: user('[[reasoning:where is that?]] Weather? [[tool:get_weather {"city":"Paris"}]]'),
        tools: [
          {
            type: 'function',
            function: { ...WEATHER.function, parse: JSON.parse, function: ({ city }) => `${city} is sunny` },
          },
        ],
      });
      assert.match(await runner.finalContent(), /Paris is sunny/);
      assert.equal(responses.length, 2);
      assert.doesNotMatch(responses[1].headers.get('x-outcrop-notes') ?? '', /thoughts_missing/);
    });
  }
}
