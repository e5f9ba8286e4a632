package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const small = `
Transform: AWS::Serverless-2016-10-31
Parameters:
  Sender:
    Type: String
  Days: { Type: Number, Default: 7 }
Resources:
  HelloFunction: # greets
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/hello/
      Environment: { Variables: { TABLE: !Ref Table, NAME: !Sub '${AWS::StackName}-x' } }
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: { ContentUri: layers/tool }
  Table:
    Type: AWS::DynamoDB::Table
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - { Effect: Allow, Action: ses:SendEmail, Resource: [!Sub 'arn:${Sender}'] }
              - { Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn }
`

func parse(t *testing.T, text string) *samTemplate {
	t.Helper()
	tpl, err := parseTemplate([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return tpl
}

func TestPackReplacesCodeLocationsAndNothingElse(t *testing.T) {
	t.Parallel()
	tpl := parse(t, small)
	packed, err := tpl.pack("code", map[string]string{"HelloFunction": "f.zip", "Layer": "l.zip"})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Resources map[string]struct {
			Properties map[string]yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(packed, &doc); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"HelloFunction": "f.zip", "Layer": "l.zip"} {
		var object struct {
			Bucket string `yaml:"Bucket"`
			Key    string `yaml:"Key"`
		}
		property := map[string]string{"HelloFunction": "CodeUri", "Layer": "ContentUri"}[id]
		node := doc.Resources[id].Properties[property]
		if err := node.Decode(&object); err != nil {
			t.Fatal(err)
		}
		if object.Bucket != "code" || object.Key != want {
			t.Errorf("%s of %s is %+v", property, id, object)
		}
	}
	for _, kept := range []string{"!Ref Table", "!Sub '${AWS::StackName}-x'", "!GetAtt Queue.Arn", "# greets"} {
		if !strings.Contains(string(packed), kept) {
			t.Errorf("%q is lost:\n%s", kept, packed)
		}
	}
}

func TestPackNeedsCodeForEveryFunctionAndLayer(t *testing.T) {
	t.Parallel()
	if _, err := parse(t, small).pack("code", map[string]string{"HelloFunction": "f.zip"}); err == nil {
		t.Error("the layer has no code, and nobody minds")
	}
}

func TestDefaultsAreReplacedOrAdded(t *testing.T) {
	t.Parallel()
	tpl := parse(t, small)
	if err := tpl.setDefaults(map[string]string{"Sender": "a@example.com", "Days": "30"}); err != nil {
		t.Fatal(err)
	}
	packed, err := tpl.pack("code", map[string]string{"HelloFunction": "f.zip", "Layer": "l.zip"})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Parameters map[string]struct {
			Default string `yaml:"Default"`
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(packed, &doc); err != nil {
		t.Fatal(err)
	}
	if got := doc.Parameters["Sender"].Default + " " + doc.Parameters["Days"].Default; got != "a@example.com 30" {
		t.Errorf("defaults are %q", got)
	}
	if err := tpl.setDefaults(map[string]string{"Nope": "1"}); err == nil {
		t.Error("a parameter that the template does not have is accepted")
	}
}

func TestOnlyTheMailStatementIsWidened(t *testing.T) {
	t.Parallel()
	tpl := parse(t, small)
	tpl.widenMail()
	packed, err := tpl.pack("code", map[string]string{"HelloFunction": "f.zip", "Layer": "l.zip"})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(packed); strings.Contains(text, "arn:${Sender}") || strings.Count(text, "Resource: '*'") != 1 || !strings.Contains(text, "!GetAtt Queue.Arn") {
		t.Errorf("statements are:\n%s", text)
	}
}

func TestBadTemplatesAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not YAML":                "a: [",
		"empty":                   "",
		"no resources":            "Transform: x",
		"a function without code": "Resources: { F: { Type: AWS::Serverless::Function, Properties: { Runtime: x } } }",
		"code outside":            "Resources: { F: { Type: AWS::Serverless::Function, Properties: { CodeUri: ../x } } }",
	} {
		if _, err := parseTemplate([]byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheRealTemplateNamesFoldersThatExist(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	tpl := parse(t, string(data))
	functions := 0
	for _, a := range tpl.artifacts {
		if info, err := os.Stat(filepath.Join("..", a.Path)); err != nil || !info.IsDir() {
			t.Errorf("%s takes its code from %s: %v", a.LogicalID, a.Path, err)
		}
		if a.isFunction() {
			functions++
		}
	}
	if functions != 7 || len(tpl.artifacts) != 8 {
		t.Errorf("%d functions among %d pieces of code, want 7 and the layer", functions, len(tpl.artifacts))
	}
}
