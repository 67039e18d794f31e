// Tool calls, both ways, on the formats that have them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RICH_MODELS, TOOL_MODELS, WEATHER, client, user } from './server.mjs';

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

for (const model of TOOL_MODELS) {
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
}

for (const model of RICH_MODELS) {
  test(`a custom tool of ${model} gets its text`, async () => {
    const tools = [{ type: 'custom', custom: { name: 'query', format: { type: 'text' } } }];
    const messages = user('[[tool:query {"input":"SELECT 1"}]]');
    const { choices } = await client.chat.completions.create({ model, messages, tools });
    const [call] = choices[0].message.tool_calls;
    assert.deepEqual([call.type, call.custom], ['custom', { name: 'query', input: 'SELECT 1' }]);
    messages.push(choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'one row' });
    const reply = await client.chat.completions.create({ model, messages, tools });
    assert.match(reply.choices[0].message.content, /one row/);
  });

  test(`functions of old are called by ${model}`, async () => {
    const functions = [WEATHER.function];
    const messages = user(PARIS);
    const { choices } = await client.chat.completions.create({ model, messages, functions });
    assert.equal(choices[0].finish_reason, 'function_call');
    assert.equal(choices[0].message.function_call.name, 'get_weather');
    messages.push(choices[0].message, { role: 'function', name: 'get_weather', content: 'Paris is sunny' });
    const reply = await client.chat.completions.create({ model, messages, functions });
    assert.match(reply.choices[0].message.content, /Paris is sunny/);
  });
}
