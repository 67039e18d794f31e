// Failures: the SDK's exception for each, what it may retry, and streams that end badly.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { CLAUDE, ONE_OF_EACH, client, collect, counted, user } from './server.mjs';

const UPSTREAM = [
  ['validationException', OpenAI.BadRequestError, 400],
  ['accessDeniedException', OpenAI.PermissionDeniedError, 403],
  ['resourceNotFoundException', OpenAI.NotFoundError, 404],
  ['throttlingException', OpenAI.RateLimitError, 429],
  ['expiredTokenException', OpenAI.InternalServerError, 500],
  ['internalServerException', OpenAI.InternalServerError, 502],
  ['serviceUnavailableException', OpenAI.InternalServerError, 503],
  ['modelTimeoutException', OpenAI.InternalServerError, 504],
];

for (const [exception, error, status] of UPSTREAM) {
  for (const stream of [false, true]) {
    test(`${exception} is ${error.name} ${stream ? 'before a stream' : 'without one'}`, async () => {
      const ask = { model: CLAUDE, messages: user(`[[error:${exception}]]`), stream };
      await assert.rejects(client.chat.completions.create(ask), (caught) => {
        assert.ok(caught instanceof error, String(caught));
        assert.equal(caught.status, status);
        assert.ok(caught.requestID);
        return true;
      });
    });
  }

  test(`the SDK does not repeat ${exception}: the gateway has`, async () => {
    const { client, responses } = counted({ maxRetries: 1 });
    const ask = { model: CLAUDE, messages: user(`[[error:${exception}]]`) };
    await assert.rejects(client.chat.completions.create(ask), error);
    assert.equal(responses[0].headers.get('x-should-retry'), status === 429 || status >= 500 ? 'false' : null);
    assert.equal(responses.length, 1);
  });
}

test('a wrong key is refused, once', async () => {
  const { client, responses } = counted({ apiKey: 'wrong', maxRetries: 2 });
  const ask = { model: CLAUDE, messages: user('hi') };
  await assert.rejects(client.chat.completions.create(ask), OpenAI.AuthenticationError);
  assert.equal(responses.length, 1);
});

test('a bad request names the field', async () => {
  const ask = { model: CLAUDE, messages: [{ role: 'user', content: [{ type: 'smell' }] }] };
  await assert.rejects(client.chat.completions.create(ask), (caught) => {
    assert.ok(caught instanceof OpenAI.BadRequestError);
    assert.equal(caught.param, 'messages[0].content[0].type');
    return true;
  });
});

for (const model of ONE_OF_EACH) {
  for (const mishap of ['error:throttlingException', 'cut', 'corrupt', 'end']) {
    test(`a stream of ${model} that breaks (${mishap}) never looks complete`, async () => {
      const { client, responses } = counted({ maxRetries: 2 });
      const messages = user(`[[deltas:8]] [[${mishap} after=2]] a text that is long enough to be cut in the middle`);
      const finishReasons = [];
      const broken = async () => {
        const stream = await client.chat.completions.create({ model, messages, stream: true });
        for await (const chunk of stream) finishReasons.push(chunk.choices[0].finish_reason);
      };
      await assert.rejects(broken(), (caught) => {
        assert.ok(caught instanceof OpenAI.APIError, String(caught));
        assert.equal(caught.status, undefined);
        assert.ok(caught.error.message);
        return true;
      });
      assert.ok(finishReasons.length > 0);
      assert.ok(finishReasons.every((reason) => reason === null));
      assert.equal(responses.length, 1);
    });
  }
}

test('the streaming helper rejects a broken stream', async () => {
  const messages = user('[[deltas:8]] [[cut after=2]] a text that is long enough to be cut in the middle');
  const stream = client.chat.completions.stream({ model: CLAUDE, messages });
  await assert.rejects(stream.finalChatCompletion(), OpenAI.APIError);
});

test('a failure before the first event keeps its status', async () => {
  const messages = user('[[error:serviceUnavailableException after=0]] hi');
  const ask = client.chat.completions.create({ model: CLAUDE, messages, stream: true });
  await assert.rejects(ask.then(collect), OpenAI.InternalServerError);
});
