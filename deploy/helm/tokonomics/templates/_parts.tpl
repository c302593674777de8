{{/* Names: objects are called after the release, so that two releases fit into one namespace. */}}
{{- define "tokonomics.name" -}}
{{- printf "%s-%s" (trunc 40 .root.Release.Name | trimSuffix "-") .host -}}
{{- end -}}

{{- define "tokonomics.selector" -}}
app.kubernetes.io/name: tokonomics
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .host }}
{{- end -}}

{{- define "tokonomics.labels" -}}
{{ include "tokonomics.selector" . }}
app.kubernetes.io/version: {{ default .root.Chart.AppVersion .root.Values.images.tag | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What the three pods have in common. */}}
{{- define "tokonomics.pod" -}}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
terminationGracePeriodSeconds: {{ add .root.Values.drain.preStopSeconds .root.Values.drain.noticeSeconds .root.Values.drain.timeoutSeconds 50 }}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1654
  runAsGroup: 1654
  fsGroup: 1654
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "tokonomics.container" -}}
name: {{ .host }}
image: {{ printf "%s/%s:%s" .root.Values.images.registry .host (default .root.Chart.AppVersion .root.Values.images.tag) | quote }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
ports:
  - { name: http, containerPort: {{ .port }} }
envFrom:
  - configMapRef: { name: {{ include "tokonomics.name" (dict "root" .root "host" "settings") }} }
  - secretRef: { name: {{ .root.Values.secret }} }
resources: {{- toYaml .values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ ALL ] }
volumeMounts:
  - { name: data, mountPath: /data }
  - { name: tmp, mountPath: /tmp }
livenessProbe:
  httpGet: { path: /healthz, port: http }
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
{{- end -}}
