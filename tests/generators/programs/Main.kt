// Reads lines of JSON with the classes that openapi-generator made, and writes them back with Gson.

import com.google.gson.Gson
import com.google.gson.JsonObject

fun main() {
    val gson = Gson()
    while (true) {
        val line = readLine() ?: return
        val (name, value) = gson.fromJson(line, JsonObject::class.java).entrySet().single()
        val type = Class.forName("org.openapitools.client.models.$name")
        val written = JsonObject()
        written.add(name, gson.toJsonTree(gson.fromJson(value, type)))
        println(written)
    }
}
