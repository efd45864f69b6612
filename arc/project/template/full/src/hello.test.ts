// Units are plain classes: "bun test" runs this without Aria.
import { expect, test } from 'bun:test';
import { memoryHost } from '@aria/sdk/testing';
import { Hello } from './hello';

test('counts greetings', async () => {
  memoryHost();
  const hello = new Hello();
  expect((await hello.greet('Ada')).text).toBe('Hello, Ada!');
  expect(await hello.greet('Ada')).toEqual({ text: 'Hello again, Ada!', times: 2 });
  expect(await hello.count('Bo')).toBe(0);
});
