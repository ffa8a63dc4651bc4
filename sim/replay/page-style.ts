/** How the page of a replay looks. */
export const PAGE_STYLE: string = `
body { margin: 0 16px 32px; font: 14px/1.45 system-ui, sans-serif; color: #1c2430; background: #fbfbfa; }
h1 { margin: 12px 0 0; font-size: 20px; }
.good { color: #22683a; } .bad { color: #b3261e; font-weight: 600; white-space: pre-wrap; }
.hint { color: #667; margin: 4px 0; }
#filters label { margin-right: 14px; }
canvas { display: block; width: 100%; border: 1px solid #d5d8dd; background: #fff; cursor: grab; }
#hover { min-height: 20px; margin: 4px 0; font: 12px ui-monospace, monospace; color: #334; white-space: pre-wrap; }
#search { width: 360px; margin: 8px 0; }
table { border-collapse: collapse; font: 12px ui-monospace, monospace; width: 100%; }
td, th { text-align: left; padding: 1px 10px 1px 0; vertical-align: top; }
td:first-child { text-align: right; color: #667; }
tr.fault td { color: #b3261e; } tr.commit td { color: #22683a; } tr.role td { color: #6a3fa0; }
tbody tr { cursor: pointer; } tbody tr:hover { background: #eef1f6; }
`;
