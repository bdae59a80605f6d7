// What a generated dashboard must be, from Grafana's own types. A test pastes each document behind `const d: CheckedDashboard =`, so that
// TypeScript also refuses properties that Grafana does not know.
import type { Dashboard, Panel, AnnotationQuery } from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';
import type { Options as TimeSeries, FieldConfig as TimeSeriesField } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { Options as StateTimeline, FieldConfig as StateTimelineField } from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type { Options as Table, FieldConfig as TableField } from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as Stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';

// String enums become unions of their values, so that JSON fits; `unknown` stays as it is.
type J<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? J<U>[] : T extends object ? { [K in keyof T]: J<T[K]> } : T;

type Config = NonNullable<J<Panel['fieldConfig']>>;
type FieldConfig<Custom> = Omit<Config, 'defaults'> & { defaults: Omit<Config['defaults'], 'custom'> & { custom?: J<Custom> } };

interface Target {
  refId: string;
  datasource: { type: 'influxdb'; uid: string };
  query: string;
  rawQuery: true;
  resultFormat: 'time_series' | 'table' | 'logs';
  alias?: string;
}

type PanelOf<Type, Options, Custom> = Omit<J<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets'>
  & { type: Type; options: J<Options>; fieldConfig: FieldConfig<Custom>; targets: Target[] };
type CheckedPanel = PanelOf<'timeseries', TimeSeries, TimeSeriesField> | PanelOf<'state-timeline', StateTimeline, StateTimelineField>
  | PanelOf<'table', Table, TableField> | PanelOf<'stat', Stat, Record<string, never>>;

// The schema types an annotation's target as that of the built-in source; a plugin's own query goes there.
interface AnnotationTarget extends Omit<Target, 'alias' | 'datasource'> {
  fromAnnotations: true;
  textEditor: true;
  queryType: 'tags';
  textColumn: string;
  tagsColumn: string;
  titleColumn: string;
  timeEndColumn: string;
}
type CheckedAnnotation = Omit<J<AnnotationQuery>, 'target'> & { target: AnnotationTarget };

export type CheckedDashboard = Omit<J<Dashboard>, 'panels' | 'annotations'>
  & { panels: CheckedPanel[]; annotations: { list: CheckedAnnotation[] } };
