// The view layer in one import: htm over Preact (all text becomes text nodes), hooks and signals.
import { h, render, Fragment, createRef } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { h, render, Fragment, createRef };
export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
export { batch, computed, effect, signal, useComputed, useSignal } from "./vendor/signals.js";
export const html = htm.bind(h);
