import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorSupplier;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Counts the defects of each coil and minute with Kafka Streams, from inspection.results as they are.
 *
 * <p>java -cp 'jars/*' DefectsPerMinute.java HOST:PORT [RESULTS-TOPIC [OUTPUT-TOPIC]]
 *
 * <p>Each update of a count is a record {"coil", "minute", "frames", "defects": {label: count}} with the key
 * COIL|MINUTE; the newest record of a key counts. The output topic must exist.
 */
public final class DefectsPerMinute {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration MINUTE = Duration.ofMinutes(1);
    // Results of a replay or after an outage arrive late. Later ones than this are not counted.
    private static final Duration LATE_MAX = Duration.ofMinutes(10);
    private static final String SEEN = "ids-seen";

    public static void main(String[] arguments) {
        if (arguments.length < 1 || arguments.length > 3) {
            System.err.println("usage: java -cp 'jars/*' DefectsPerMinute.java HOST:PORT [RESULTS-TOPIC [OUTPUT-TOPIC]]");
            System.exit(2);
        }
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        String results = arguments.length > 1 ? arguments[1] : "inspection.results";
        String output = arguments.length > 2 ? arguments[2] : "inspection.defects.per-minute";
        KafkaStreams streams = new KafkaStreams(topology(results, output), settings(arguments[0], results));
        streams.setUncaughtExceptionHandler(error -> {
            System.err.println("stopped: " + error);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) {
                Runtime.getRuntime().halt(1);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
    }

    private static Properties settings(String servers, String results) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, servers);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "defects-per-minute-of-" + results);
        // Without it, results of an aborted transaction would count.
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.ISOLATION_LEVEL_CONFIG), "read_committed");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
                BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
        return settings;
    }

    static Topology topology(String results, String output) {
        StreamsBuilder builder = new StreamsBuilder();
        Serde<JsonNode> json = Serdes.serdeFrom(new ToBytes(), new FromBytes());
        // The names are those of internal topics; with generated ones a change of this topology would need a reset.
        Materialized<String, JsonNode, WindowStore<Bytes, byte[]>> counts =
                Materialized.<String, JsonNode, WindowStore<Bytes, byte[]>>as("defects")
                        .withKeySerde(Serdes.String()).withValueSerde(json);
        builder.stream(results, Consumed.with(Serdes.String(), json)
                        .withTimestampExtractor((record, before) -> capturedMs(record)))
                .filter((camera, result) -> result != null)
                .processValues(new FirstOfEachId(), SEEN)
                .filter((camera, result) -> result.path("verdict").asText().equals("defect"))
                .selectKey((camera, result) -> result.path("frame").path("coil").asText("(no coil)"))
                .groupByKey(Grouped.with("by-coil", Serdes.String(), json))
                .windowedBy(TimeWindows.ofSizeAndGrace(MINUTE, LATE_MAX))
                .aggregate(JSON::createObjectNode, DefectsPerMinute::add, counts)
                .toStream()
                .map(DefectsPerMinute::row)
                .to(output, Produced.with(Serdes.String(), json));
        return builder.build();
    }

    /** Returns the moment of exposure, or the time of the record if it is not a result. */
    private static long capturedMs(ConsumerRecord<Object, Object> record) {
        try {
            JsonNode frame = record.value() instanceof JsonNode result ? result.path("frame") : JSON.nullNode();
            return Instant.parse(frame.path("captured_at").asText()).toEpochMilli();
        } catch (DateTimeParseException error) {
            return record.timestamp();
        }
    }

    private static JsonNode add(String coil, JsonNode result, JsonNode counted) {
        ObjectNode sum = counted.deepCopy();
        sum.put("frames", sum.path("frames").asLong() + 1);
        ObjectNode defects = sum.withObject("/defects");
        for (JsonNode defect : result.path("defects")) {
            String label = defect.path("label").asText();
            defects.put(label, defects.path(label).asLong() + 1);
        }
        return sum;
    }

    private static KeyValue<String, JsonNode> row(Windowed<String> window, JsonNode counted) {
        String minute = window.window().startTime().toString();
        ObjectNode row = JSON.createObjectNode().put("coil", window.key()).put("minute", minute);
        return KeyValue.pair(window.key() + "|" + minute, row.setAll((ObjectNode) counted));
    }

    /** Passes each result once: a worker with at-least-once delivery may publish a result again, with the same id. */
    private static final class FirstOfEachId implements FixedKeyProcessorSupplier<String, JsonNode, JsonNode> {
        @Override
        public Set<StoreBuilder<?>> stores() {
            return Set.of(Stores.windowStoreBuilder(
                    Stores.inMemoryWindowStore(SEEN, LATE_MAX, LATE_MAX, false), Serdes.String(), Serdes.ByteArray()));
        }

        @Override
        public FixedKeyProcessor<String, JsonNode, JsonNode> get() {
            return new FixedKeyProcessor<>() {
                private FixedKeyProcessorContext<String, JsonNode> context;
                private WindowStore<String, byte[]> seen;

                @Override
                public void init(FixedKeyProcessorContext<String, JsonNode> given) {
                    context = given;
                    seen = given.getStateStore(SEEN);
                }

                @Override
                public void process(FixedKeyRecord<String, JsonNode> result) {
                    String id = result.value().path("id").asText();
                    if (seen.fetch(id, result.timestamp()) == null) {
                        seen.put(id, new byte[0], result.timestamp());
                        context.forward(result);
                    }
                }
            };
        }
    }

    private static final class ToBytes implements Serializer<JsonNode> {
        @Override
        public byte[] serialize(String topic, JsonNode value) {
            try {
                return value == null ? null : JSON.writeValueAsBytes(value);
            } catch (IOException error) {
                throw new IllegalArgumentException(error);
            }
        }
    }

    /** Reads an event. A value that is not a JSON object is reported and left out, and does not stop the program. */
    private static final class FromBytes implements Deserializer<JsonNode> {
        @Override
        public JsonNode deserialize(String topic, byte[] value) {
            try {
                JsonNode event = value == null ? null : JSON.readTree(value);
                if (event != null && event.isObject()) {
                    return event;
                }
            } catch (IOException error) {
                // reported below
            }
            System.err.println("left out: a record of " + topic + " is not a JSON object");
            return null;
        }
    }
}
