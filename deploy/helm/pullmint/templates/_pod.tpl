{{/* What the Deployment's pods and the test's have in common: identity, configuration and confinement. */}}
{{- define "pullmint.pod" -}}
serviceAccountName: pullmint
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: config
    configMap:
      name: pullmint
  # What automounting would give, with a shorter life.
  - name: token
    projected:
      defaultMode: 288 # r--r-----
      sources:
        - serviceAccountToken:
            path: token
            expirationSeconds: {{ int .Values.tokenExpirationSeconds }}
        - configMap:
            name: kube-root-ca.crt
            items:
              - key: ca.crt
                path: ca.crt
        - downwardAPI:
            items:
              - path: namespace
                fieldRef:
                  fieldPath: metadata.namespace
  {{- range $name, $secret := .Values.secretFiles }}
  - name: {{ printf "secret-%s" $name }}
    secret:
      secretName: {{ $secret }}
      defaultMode: 288 # r--r-----
  {{- end }}
  {{- range $name, $configMap := .Values.configFiles }}
  - name: {{ printf "file-%s" $name }}
    configMap:
      name: {{ $configMap }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "pullmint.container" -}}
image: {{ include "pullmint.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_UID
    valueFrom:
      fieldRef:
        fieldPath: metadata.uid
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  readOnlyRootFilesystem: true
resources: {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/pullmint
    readOnly: true
  - name: token
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- range $name, $secret := .Values.secretFiles }}
  - name: {{ printf "secret-%s" $name }}
    mountPath: {{ printf "/run/secrets/%s" $name }}
    readOnly: true
  {{- end }}
  {{- range $name, $configMap := .Values.configFiles }}
  - name: {{ printf "file-%s" $name }}
    mountPath: {{ printf "/run/files/%s" $name }}
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
