// Tool calls, both ways, on the formats that have them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RICH_MODELS, WEATHER, client, user } from './server.mjs';

const PARIS = '[[tool:get_weather {"city":"Paris"}]]';
const ROME = '[[tool:get_weather {"city":"Rome"}]]';

for (const model of RICH_MODELS) {
  test(`${model} calls two tools at once`, async () => {
    const reply = await client.chat.completions.create({ model, messages: user(PARIS + ROME), tools: [WEATHER] });
    const [choice] = reply.choices;
    assert.equal(choice.finish_reason, 'tool_calls');
    assert.deepEqual(
      choice.message.tool_calls.map((call) => [call.type, call.function.name, JSON.parse(call.function.arguments)]),
      [
        ['function', 'get_weather', { city: 'Paris' }],
        ['function', 'get_weather', { city: 'Rome' }],
      ],
    );
  });

  test(`the streaming helper assembles the calls of ${model}`, async () => {
    const stream = client.chat.completions.stream({
      model,
      messages: user(`Let me look. ${PARIS}${ROME}`),
      tools: [WEATHER],
    });
    const done = [];
    stream.on('tool_calls.function.arguments.done', (call) => done.push([call.index, call.name, call.arguments]));
    const final = await stream.finalChatCompletion();
    assert.deepEqual(
      done.map(([index, name, args]) => [index, name, JSON.parse(args)]),
      [
        [0, 'get_weather', { city: 'Paris' }],
        [1, 'get_weather', { city: 'Rome' }],
      ],
    );
    assert.equal(final.choices[0].message.content.trim(), 'Let me look.');
    assert.equal(final.choices[0].message.tool_calls.length, 2);
    assert.equal(final.choices[0].finish_reason, 'tool_calls');
  });

  for (const stream of [false, true]) {
    test(`the tool runner carries ${model} through a whole turn, ${stream ? 'streamed' : 'whole'}`, async () => {
      const asked = [];
      const runner = client.chat.completions.runTools({
        model,
        stream,
        messages: user(`Weather? ${PARIS}`),
        tools: [
          {
            type: 'function',
            function: {
              ...WEATHER.function,
              parse: JSON.parse,
              function: ({ city }) => {
                asked.push(city);
                return `${city} is sunny`;
              },
            },
          },
        ],
      });
      assert.match(await runner.finalContent(), /Paris is sunny/);
      assert.deepEqual(asked, ['Paris']);
    });
  }

  test(`${model} obeys the choice of tools`, async () => {
    const named = { type: 'function', function: { name: 'get_weather' } };
    for (const [tool_choice, calls] of [['none', 0], ['required', 1], [named, 1]]) {
      const reply = await client.chat.completions.create({
        model,
        messages: user('What is it like?'),
        tools: [WEATHER],
        tool_choice,
      });
      assert.equal(reply.choices[0].message.tool_calls?.length ?? 0, calls);
    }
  });
}
