package main

import (
	"reflect"
	"strings"
	"testing"
)

// processed is what SAM makes of two functions with HttpApi events.
const processed = `{
  "Parameters": {"Origin": {"Type": "String", "Default": ""}},
  "Conditions": {"HasOrigin": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Origin"}, ""]}]}},
  "Resources": {
    "Table": {"Type": "AWS::DynamoDB::Table"},
    "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": {
      "openapi": "3.0.1",
      "x-amazon-apigateway-cors": {
        "allowOrigins": [{"Fn::If": ["HasOrigin", {"Ref": "Origin"}, "https://page.invalid"]}],
        "allowMethods": ["GET", "POST"], "maxAge": 3600
      },
      "paths": {
        "/login": {"post": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "payloadFormatVersion": "2.0",
          "uri": {"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${LoginFunction.Arn}/invocations"}}}},
        "/assets/{proxy+}": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "payloadFormatVersion": "2.0",
          "uri": {"Fn::Sub": "arn:…:functions/${WebFunction.Arn}/invocations"}}}},
        "/$default": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "payloadFormatVersion": "2.0",
          "uri": {"Fn::Sub": "arn:…:functions/${WebFunction.Arn}/invocations"}}}}
      }
    }}}
  }
}`

func TestRoutesAndCORSAreReadFromTheTranslatedTemplate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		parameters map[string]string
		origin     string
	}{
		"with defaults":   {nil, "https://page.invalid"},
		"with parameters": {map[string]string{"Origin": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := httpAPIs([]byte(processed), test.parameters)
			if err != nil {
				t.Fatal(err)
			}
			want := []httpAPI{{
				LogicalID: "Api",
				Routes: []route{
					{"$default", "WebFunction", "2.0"},
					{"ANY /assets/{proxy+}", "WebFunction", "2.0"},
					{"POST /login", "LoginFunction", "2.0"},
				},
				CORS: &corsRules{AllowOrigins: []string{test.origin}, AllowMethods: []string{"GET", "POST"}, MaxAge: 3600},
			}}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"no API":                {`"AWS::ApiGatewayV2::Api"`, `"AWS::ApiGateway::RestApi"`},
		"another integration":   {`"type": "aws_proxy"`, `"type": "http_proxy"`},
		"no function":           {"${LoginFunction.Arn}", "arn:aws:lambda:fixed"},
		"an unknown function":   {`"Fn::If"`, `"Fn::Base64"`},
		"an unknown parameter":  {`{"Ref": "Origin"}, "https`, `{"Ref": "Elsewhere"}, "https`},
		"an unknown condition":  {`["HasOrigin",`, `["HasNothing",`},
		"not a template at all": {`{`, `}`},
	} {
		text := strings.Replace(processed, change[0], change[1], 1)
		if text == processed {
			t.Fatalf("%s: nothing to replace", name)
		}
		if got, err := httpAPIs([]byte(text), map[string]string{"Origin": "http://x"}); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}
