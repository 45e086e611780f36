// What the page brought along: who is looking, the CSRF token, where files live, and the first API answers.

/** @typedef {{user: string, role: string, csrf: string, simulated: boolean, version: string, seq: number, epoch: string, assets: string, first: Object<string, any>}} Boot */

/** @type {Boot} */
export const boot = JSON.parse(document.getElementById("boot").textContent);

const ROLES = { viewer: ["viewer"], operator: ["viewer", "operator"], engineer: ["viewer", "operator", "engineer"], billing: ["viewer", "billing"] };

/** Whether the viewer holds a role; the server checks again. */
export const may = (role) => boot.role === "admin" || (ROLES[boot.role] || []).includes(role);
