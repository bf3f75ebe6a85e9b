// The Vercel AI SDK with three providers: OpenAI-compatible, OpenAI's Chat Completions, OpenAI's Responses.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import * as mock from "./report.mjs";
import { ARGUMENTS, FIRST_THREE, MODEL, PROMPT, SLOW, TEXT, TOKENS, WEATHER, feature } from "./report.mjs";

const server = { baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY };
const compatible = createOpenAICompatible({ name: "mock", includeUsage: true, ...server });
const openai = createOpenAI(server);
const apis = { compatible, chat: openai.chat, responses: openai.responses };

const ask = (model, options) => generateText({ model, prompt: PROMPT, maxRetries: 0, ...options });
// Without `onError` the SDK prints every error that a stream carries.
const stream = (model, options) => streamText({ model, prompt: PROMPT, maxRetries: 0, onError() {}, ...options });

// The texts of a stream. The SDK delivers an error in the stream as one of its parts, so here it is thrown.
async function* texts(result) {
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") yield part.text;
    if (part.type === "error") throw part.error instanceof Error ? part.error : new Error(part.error.message);
  }
}

for (const [name, api] of Object.entries(apis)) {
  await feature(`${name} streamed text`, () => mock.streamed(stream(api(SLOW)).textStream));

  await feature(`${name} whole text`, async () => assert.equal((await ask(api(MODEL))).text, TEXT));

  await feature(`${name} usage`, async () => {
    const streamed = await stream(api(MODEL)).usage;
    const whole = (await ask(api(MODEL))).usage;
    assert.equal(streamed.outputTokens, TOKENS.length);
    assert.deepEqual(streamed, whole);
  });

  await feature(`${name} tool call and round`, async () => {
    const came = [];
    const run = (given) => came.push(given) && "the sky is clear";
    const weather = tool({ description: "The weather", inputSchema: jsonSchema(WEATHER), execute: run });
    const result = stream(api(`${MODEL};calls=1`), { tools: { weather }, stopWhen: stepCountIs(5) });
    const parts = await mock.all(result.fullStream);
    assert.deepEqual(came, [ARGUMENTS]);
    assert.deepEqual((await result.steps).map((step) => step.finishReason), ["tool-calls", "stop"]);
    assert.equal(await result.text, TEXT);
    const pieces = parts.filter((part) => part.type === "tool-input-delta").map((part) => part.delta);
    return mock.inPieces(pieces, JSON.stringify(ARGUMENTS));
  });

  await feature(`${name} length stop`, async () => {
    const result = stream(api(MODEL), { maxOutputTokens: 3 });
    assert.deepEqual([await result.text, await result.finishReason], [FIRST_THREE, "length"]);
  });

  // The compatible provider knows no refusals: it shows nothing of one.
  if (name !== "compatible") {
    await feature(`${name} refusal`, async () => {
      const result = stream(api(`${MODEL};refusal`));
      assert.deepEqual([await result.text, await result.finishReason], [TEXT, "content-filter"]);
    });
  }

  await feature(`${name} content filter`, async () => {
    const result = stream(api(`${MODEL};filter=3`));
    assert.deepEqual([await result.text, await result.finishReason], [FIRST_THREE, "content-filter"]);
  });

  await feature(`${name} error before the stream`, async () => {
    const error = await mock.throws(() => mock.all(texts(stream(api(`${MODEL};error=429`)))), APICallError);
    assert.equal(error.statusCode, 429);
  });

  await feature(`${name} error inside the stream`, () =>
    mock.breaksAfterThree(texts(stream(api(`${MODEL};error-at=3`))), Error, /the mock broke off/),
  );

  await feature(`${name} cut connection`, () =>
    mock.breaksAfterThree(texts(stream(api(`${MODEL};cut=3`))), APICallError, /Failed to process/),
  );
}
